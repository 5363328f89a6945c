// SPDX-License-Identifier: Apache-2.0
//
// The timeline of a run (sim/timeline.h): its jobs leave no gap and add up to the hardware's own
// counters, its idle cycles too; beats read and written are those that the memory counted; each
// track is in order.
#include "model_test.h"
#include "sim.h"
#include "timeline.h"
#include "recording.h"

enum { NEW = 5, TRACKS = TIMELINE_STEP + 1 };

struct seen {
  struct sim_counters jobs;
  uint64_t idle[COUNT_WHATS], job_end, last[TRACKS][TIMELINE_N_UNITS], read, written, events;
  uint64_t steps, unit_cycles[TIMELINE_N_UNITS], stop_after;
  uint32_t deepest;
};

static int on_event(void *ctx, const struct timeline_event *e) {
  struct seen *seen = ctx;
  const int unit = e->track == TIMELINE_UNIT_WORKS ? (int)e->unit : 0;
  assert_true(e->start >= seen->last[e->track][unit]);
  assert_true(e->track == TIMELINE_QUEUE ? e->end == e->start : e->end > e->start);
  seen->last[e->track][unit] = e->end;
  seen->events++;
  if (e->track == TIMELINE_JOB) {
    uint64_t sum = 0, beats = 0;
    if (seen->job_end) assert_int_equal(e->start, seen->job_end);
    seen->job_end = e->end;
    for (int what = 0; what < COUNT_WHATS; what++) {
      seen->jobs.at[e->phase][what] += e->at[what];
      sum += e->at[what];
      if (what < COUNT_MEMORY) beats += e->at[what];
    }
    assert_int_equal(sum, e->end - e->start);
    assert_int_equal(beats, e->count);
  }
  if (e->track == TIMELINE_IDLE) seen->idle[e->what] += e->end - e->start;
  if (e->track == TIMELINE_QUEUE) {
    assert_in_range(e->count, 0, 256);
    if (e->count > seen->deepest) seen->deepest = e->count;
  }
  if (e->track == TIMELINE_READ) seen->read += e->count;
  if (e->track == TIMELINE_WRITE) seen->written += e->count;
  if (e->track == TIMELINE_STEP) assert_int_equal(e->position, seen->steps++);
  if (e->track == TIMELINE_UNIT_WORKS) seen->unit_cycles[e->unit] += e->count;
  return seen->stop_after && seen->events >= seen->stop_after;
}

static int count(void *ctx, uint32_t id) {
  (void)ctx, (void)id;
  return 0;
}

static void equals_the_counters(void **state) {
  (void)state;
  static const struct sim_memory memories[] = {
      {.latency = 150, .beats = 1, .seed = 1},
      {.latency = 1, .beats = 1, .seed = 1},
      {.latency = 40, .beats = 0.6, .stall = 0.3, .seed = 5},
  };
  const uint32_t prompt[] = {5, 6, 7};
  struct image image;
  struct err err;
  open_random(&image, "nano", 1, 256);
  for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) {
    struct seen seen = {.events = 0};
    struct sim *sim;
    struct timeline *timeline;
    struct sim_result result;
    struct sim_counters counters;
    const struct controller_run run = {.prompt = prompt,
                                       .n_prompt = 3,
                                       .max_new = NEW,
                                       .sampling = {.top_k = 5, .inv_t = 90000, .state = 11},
                                       .token = count};
    expect_success(sim_open(&sim, &image, &memories[i], SIM_WAVEFORM, &err), &err);
    expect_success(sim_observe_timeline(sim, &timeline, on_event, &seen, &err), &err);
    for (int again = 0; again < 2; again++) {  // a second run begins at cycle 0 again
      memset(&seen, 0, sizeof seen);
      expect_success(sim_run(sim, &run, &result, &err), &err);
      expect_success(sim_read_counters(sim, &counters, &err), &err);
      for (int phase = 0; phase < COUNT_PHASES; phase++)
        for (int what = 0; what < COUNT_WHATS; what++)
          if (seen.jobs.at[phase][what] != counters.at[phase][what])
            fail_msg("memory %zu, %s, %s: %llu cycles in the jobs, the counter has %llu", i,
                     count_phase_name[phase], count_what_name[what],
                     (unsigned long long)seen.jobs.at[phase][what],
                     (unsigned long long)counters.at[phase][what]);
      for (int what = COUNT_MEMORY; what < COUNT_WHATS; what++)
        assert_int_equal(seen.idle[what], counters_of(&counters, (enum count_what)what));
      assert_int_equal(seen.read, result.beats_read);
      assert_int_equal(seen.written, result.beats_written);
      assert_int_equal(seen.written, counters.kv_writes);
      assert_int_equal(seen.steps, 3 + NEW - 1);
      if (memories[i].stall == 0) assert_in_range(seen.deepest, 128, 256);
      assert_int_equal(timeline_now(timeline)->steps, seen.steps);
      for (int unit = 0; unit < TIMELINE_N_UNITS; unit++)
        if (!seen.unit_cycles[unit]) fail_msg("%s never works", timeline_unit_name[unit]);
    }
    memset(&seen, 0, sizeof seen);
    seen.stop_after = 100;
    assert_int_equal(sim_run(sim, &run, &result, &err),
                     -1);  // an observer that has seen enough ends the run
    assert_string_equal(err.text, "");
    sim_close(sim);
  }
  image_close(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(equals_the_counters)};
  return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
