// SPDX-License-Identifier: Apache-2.0
//
// The timeline of a run (sim/timeline.h): its jobs leave no gap and add up to the hardware's own
// counters, its idle cycles too; beats read and written are those that the memory counted; each
// track is in order.
#include "model_test.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <sys/wait.h>

#include "library.h"
#include "sim.h"
#include "timeline.h"
#include "recording.h"

enum { NEW = 5, TRACKS = TIMELINE_STEP + 1 };

struct seen {
  struct sim_counters jobs;
  uint64_t idle[COUNT_WHATS], job_end, last[TRACKS][TIMELINE_N_UNITS], read, written, events;
  bool together;  // positions may run together: their steps end in one cycle
  uint64_t steps, unit_cycles[TIMELINE_N_UNITS], stop_after;
  uint32_t deepest;
};

static int on_event(void *ctx, const struct timeline_event *e) {
  struct seen *seen = ctx;
  const int unit = e->track == TIMELINE_UNIT_WORKS ? (int)e->unit : 0;
  assert_true(e->start >= seen->last[e->track][unit]);
  assert_true(e->track == TIMELINE_QUEUE ? e->end == e->start : e->end > e->start);
  seen->last[e->track][unit] = e->track == TIMELINE_STEP && seen->together ? e->start : e->end;
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

static void runs(uint32_t lanes, bool together) {
  static const struct sim_memory memories[] = {
      {.latency = 150, .beats = 1, .seed = 1},
      {.latency = 1, .beats = 1, .seed = 1},
      {.latency = 40, .beats = 0.6, .stall = 0.3, .seed = 5},
  };
  const uint32_t prompt[] = {5, 6, 7};
  struct image image;
  struct err err;
  open_random(&image, "nano", 1, lanes);
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
      seen = (struct seen){.together = together};
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
      // nano has two layers; the head counts as one more, where it is wanted. The prompt is one
      // batch.
      assert_int_equal(timeline_now(timeline)->layers, 2 * (together ? NEW : seen.steps) + NEW);
      for (int unit = 0; unit < TIMELINE_N_UNITS; unit++)
        if (!seen.unit_cycles[unit]) fail_msg("%s never works", timeline_unit_name[unit]);
    }
    seen = (struct seen){.together = together, .stop_after = 100};
    assert_int_equal(sim_run(sim, &run, &result, &err),
                     -1);  // an observer that has seen enough ends the run
    assert_string_equal(err.text, "");
    sim_close(sim);
  }
  image_close(&image);
}

static void equals_the_counters(void **state) {
  (void)state;
  runs(256, false);
}

static void batches(void **state) {
  (void)state;
  library_parameters = "-Positions.4-Engines.2";
  runs(64, true);
  library_parameters = "";
}

// ---------------------------------------------------------------------------------- the program's

static cJSON *read_json(const char *path) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  const size_t size = (size_t)ftell(file);
  char *text = malloc(size);
  rewind(file);
  assert_int_equal(fread(text, 1, size, file), size);
  fclose(file);
  cJSON *json = cJSON_ParseWithLength(text, size);
  if (!json) fail_msg("%s is no JSON: %.60s", path, cJSON_GetErrorPtr());
  free(text);
  return json;
}

static double number(const cJSON *json, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
  return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static int command(const char *format, ...) {
  char line[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  const int status = system(line);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Trace events: slices of a thread do not overlap, their cycles are otherData's, and over all
// positions those of --stats. With positions, the file has these alone.
static void trace_events(void **state) {
  static const char generate[] = "build/gpt2rtl generate --model build/models/nano-1 --ids 5,6,7 "
                                 "--tokens 4 --memory latency=40,beats=0.8,stall=0.1";
  const char *folder = *state;
  struct image image;
  open_random(&image, "nano", 1, 256);  // makes build/models
  image_close(&image);
  assert_int_equal(command("%s --timeline %s/all.json --timeline-tokens 0:5 --stats %s/stats.json "
                           "> %s/out 2> %s/err",
                           generate, folder, folder, folder, folder),
                   0);
  assert_int_equal(command("grep -q 'all.json: positions 0 to 5, about 0\\.[0-9]* MB' %s/err",
                           folder),
                   0);
  char path[FILE_PATH_SIZE];
  assert_int_equal(file_join(path, folder, "all.json", NULL), 0);
  cJSON *all = read_json(path), *event;
  assert_int_equal(file_join(path, folder, "stats.json", NULL), 0);
  cJSON *stats = read_json(path);
  double end[64] = {0}, engine = 0, steps = 0, sums[COUNT_WHATS] = {0};
  cJSON_ArrayForEach(event, cJSON_GetObjectItem(all, "traceEvents")) {
    const char *kind = cJSON_GetObjectItem(event, "ph")->valuestring;
    if (*kind != 'X') continue;
    const int thread = (int)number(event, "tid");
    const double from = number(event, "ts") * 1000, length = number(event, "dur") * 1000;
    assert_in_range(thread, 1, 63);
    if (from < end[thread] - 1e-6)
      fail_msg("thread %d: a slice at %g, one before it ends at %g", thread, from, end[thread]);
    end[thread] = from + length;
    steps += thread == 1;
    if (thread != 2) continue;
    engine += length;
    for (int what = 0; what < COUNT_WHATS; what++)
      sums[what] += number(cJSON_GetObjectItem(event, "args"), count_what_name[what]);
  }
  const cJSON *other = cJSON_GetObjectItem(all, "otherData"),
              *counters = cJSON_GetObjectItem(stats, "counters");
  assert_int_equal((int)steps, 6);
  assert_int_equal(llround(engine), (long long)number(other, "cycles"));
  assert_int_equal((long long)number(counters, "cycles"), (long long)number(other, "cycles"));
  for (int what = 0; what < COUNT_WHATS; what++) {
    assert_int_equal((long long)sums[what], (long long)number(other, count_what_name[what]));
    assert_int_equal((long long)sums[what], (long long)number(counters, count_what_name[what]));
  }
  cJSON_Delete(stats);

  assert_int_equal(command("%s --timeline %s/one.json > /dev/null 2>&1", generate, folder), 0);
  assert_int_equal(file_join(path, folder, "one.json", NULL), 0);
  cJSON *one = read_json(path);
  steps = 0;
  cJSON_ArrayForEach(event, cJSON_GetObjectItem(one, "traceEvents")) {
    if (number(event, "tid") != 1 ||
        strcmp(cJSON_GetObjectItem(event, "ph")->valuestring, "X") != 0)
      continue;
    assert_string_equal(cJSON_GetObjectItem(event, "name")->valuestring, "position 2");
    steps++;
  }
  assert_int_equal((int)steps, 1);
  assert_true(number(cJSON_GetObjectItem(one, "otherData"), "cycles") <
              number(other, "cycles") / 4);
  cJSON_Delete(one);

  // Positions that run with a position are shown with it.
  assert_int_equal(command("%s --lanes 64 --positions 4 --engines 2 --timeline %s/batch.json "
                           "--timeline-tokens 1 > /dev/null 2>&1",
                           generate, folder),
                   0);
  assert_int_equal(file_join(path, folder, "batch.json", NULL), 0);
  cJSON *batch = read_json(path);
  steps = 0;
  cJSON_ArrayForEach(event, cJSON_GetObjectItem(batch, "traceEvents")) {
    char name[16];
    if (number(event, "tid") != 1 ||
        strcmp(cJSON_GetObjectItem(event, "ph")->valuestring, "X") != 0)
      continue;
    snprintf(name, sizeof name, "position %d", (int)steps++);
    assert_string_equal(cJSON_GetObjectItem(event, "name")->valuestring, name);
  }
  assert_int_equal((int)steps, 3);
  cJSON_Delete(batch);
  cJSON_Delete(all);
}

// The data in a report's page.
static cJSON *report_data(const char *path) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  const size_t size = (size_t)ftell(file);
  char *text = malloc(size + 1);
  rewind(file);
  assert_int_equal(fread(text, 1, size, file), size);
  fclose(file);
  text[size] = 0;
  const char mark[] = "<script type=\"application/json\" id=\"data\">";
  char *from = strstr(text, mark);
  assert_non_null(from);
  char *to = strstr(from, "</script>");
  assert_non_null(to);
  *to = 0;
  cJSON *json = cJSON_Parse(from + sizeof mark - 1);
  if (!json) fail_msg("%s: no JSON at %.60s", path, cJSON_GetErrorPtr());
  free(text);
  return json;
}

// A report has the ids that generate writes, ten candidates a step, a map of attention for each
// layer and head, and the timeline whose jobs are the counters, also from hardware that runs
// positions together. From the golden engines it is the same without cycles, from float without
// attention too.
static void reports(void **state) {
  static const char *const engines[] = {"rtl", "rtl --lanes 64 --positions 4 --engines 2",
                                        "golden-readable", "golden", "float"};
  const char *folder = *state;
  char path[FILE_PATH_SIZE];
  double attention[4] = {0};
  assert_int_equal(
      command("build/gpt2rtl generate --model build/models/nano-1 --ids 5,6,7 --tokens 6 "
              "--seed 3 --engine golden --json > %s/json",
              folder),
      0);
  assert_int_equal(file_join(path, folder, "json", NULL), 0);
  cJSON *expected = read_json(path), *step, *event;
  const cJSON *ids = cJSON_GetObjectItem(expected, "ids");
  assert_int_equal(file_join(path, folder, "run.html", NULL), 0);
  for (int engine = 0; engine < 5; engine++) {
    assert_int_equal(
        command("build/gpt2rtl report --model build/models/nano-1 --ids 5,6,7 --tokens 6 "
                "--seed 3 --engine %s --output %s > /dev/null 2>&1",
                engines[engine], path),
        0);
    cJSON *data = report_data(path);
    int n = 0, steps = 0;
    cJSON_ArrayForEach(step, cJSON_GetObjectItem(data, "steps")) {
      steps++;
      if (!cJSON_IsTrue(cJSON_GetObjectItem(step, "head"))) continue;
      if (engine < 4)
        assert_int_equal((int)number(step, "choice"), cJSON_GetArrayItem(ids, n)->valueint);
      n++;
      assert_in_range(cJSON_GetArraySize(cJSON_GetObjectItem(step, "candidates")), 10, 11);
    }
    assert_int_equal(n, 6);
    assert_int_equal(steps, 8);
    const cJSON *events = cJSON_GetObjectItem(data, "events"),
                *counters = cJSON_GetObjectItem(data, "counters"),
                *maps = cJSON_GetObjectItem(data, "attention");
    assert_int_equal(cJSON_GetArraySize(maps), engine < 4 ? 4 : 0);
    if (engine < 4) {
      assert_int_equal((int)number(data, "positions"), 8);
      assert_int_equal(strlen(cJSON_GetArrayItem(maps, 3)->valuestring), 48);  // 36 bytes
      for (const char *c = cJSON_GetArrayItem(maps, 3)->valuestring; *c; c++)
        attention[engine] = 31 * attention[engine] / 32 + *c;
    }
    assert_int_equal(cJSON_GetArraySize(counters), engine < 2 ? COUNT_PHASES * COUNT_WHATS : 0);
    double sums[COUNT_PHASES][COUNT_WHATS] = {0};
    cJSON_ArrayForEach(event, events) {
      if (cJSON_GetArrayItem(event, 0)->valueint != TIMELINE_JOB) continue;
      for (int what = 0; what < COUNT_WHATS; what++)
        sums[cJSON_GetArrayItem(event, 4)->valueint & 255][what] +=
            cJSON_GetArrayItem(event, 7 + what)->valuedouble;
    }
    for (int i = 0; engine < 2 && i < COUNT_PHASES * COUNT_WHATS; i++)
      assert_int_equal((long long)sums[i / COUNT_WHATS][i % COUNT_WHATS],
                       (long long)cJSON_GetArrayItem(counters, i)->valuedouble);
    cJSON_Delete(data);
  }
  // off the wires, and golden's
  assert_true(attention[0] > 0);
  for (int i = 1; i < 4; i++) assert_true(attention[0] - attention[i] == 0);
  cJSON_Delete(expected);
}

// Refused, with nothing left; a disk that is full is an error.
static void refused(void **state) {
  const char *folder = *state;
  const struct {
    const char *options, *sentence;
    int status;
  } all[] = {
      {"--timeline-tokens 0", "--timeline-tokens needs --timeline", 2},
      {"--timeline %s/x.json --timeline-tokens 3:1", "expected A:B", 2},
      {"--timeline %s/x.json --engine golden", "needs --engine rtl", 2},
      {"--timeline %s/x.json --bus axi", "cannot be combined with --bus", 2},
      {"--timeline %s/x.json --timeline-tokens 9", "computes positions 0 to 5", 1},
      {"--timeline %s/none/x.json", "none", 1},
      {"--timeline /dev/full", "/dev/full", 1},
      {"--report /dev/full", "/dev/full", 1},
      {"--report %s/x.json --bus axi", "cannot be combined with --bus", 2},
      {"--report %s/none/x.json", "none", 1},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    char options[FILE_PATH_SIZE];
    snprintf(options, sizeof options, all[i].options, folder);
    const int status = command("build/gpt2rtl generate --model build/models/nano-1 --ids 5,6,7 "
                               "--tokens 4 %s > /dev/null 2> %s/err",
                               options, folder);
    if (status != all[i].status) fail_msg("%s: exit status %d", options, status);
    assert_int_equal(command("grep -qF -- '%s' %s/err", all[i].sentence, folder), 0);
    assert_int_equal(command("! ls %s | grep -q x.json", folder), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(equals_the_counters),
                                     cmocka_unit_test(batches), IN_FOLDER(trace_events),
                                     IN_FOLDER(reports), IN_FOLDER(refused)};
  return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
