// SPDX-License-Identifier: Apache-2.0
//
// weight_stream: the beats of every kind of job in the order of model/image/image.h with their
// labels, whatever the memory's latency and pauses; no more is requested than there is room for,
// and every beat exactly once
#include <string.h>

#include "block.h"
#include "golden.h"

enum { DEPTH = 256, MAX_BURST = 32, JOB_DEPTH = 32 };  // the module's defaults
enum { MAX_WORDS = 16 * 64, JOBS = 300, MAX_BEATS = 40000 };

struct job {
  uint32_t job[PKG_JOB_WORDS], split, side_addr, addr, beats;
};
static const struct block_field job_fields[] = {
    BLOCK_FIELD(struct job, job, "job_i"),
    BLOCK_FIELD(struct job, split, "split_i"),
    BLOCK_FIELD(struct job, side_addr, "side_addr_i"),
    BLOCK_FIELD(struct job, addr, "addr_i"),
    BLOCK_FIELD(struct job, beats, "beats_i"),
};
static const struct block_field label_field[] = {
    {"beat_label_o", 0, PKG_LABEL_WORDS * sizeof(uint32_t)}};

static struct job jobs[JOBS];
static struct { uint32_t label[PKG_LABEL_WORDS]; } want[MAX_BEATS], got[MAX_BEATS];
static uint32_t address[MAX_BEATS];  // of every beat, in order
static size_t n_beats;

// -------------------------------------------------------------------------------------------- jobs

static void add_beat(const struct pkg_job *j, bool side, uint32_t group, uint32_t block,
                     uint32_t at) {
  const struct pkg_label label = block_label(j, side, group, block);
  assert_true(n_beats < MAX_BEATS);
  pkg_label_pack(want[n_beats].label, &label);
  address[n_beats++] = at;
}

// The walk of model/image/image.h, 2 and 3: a side beat precedes the weights of groups 0, 16, 32
// ..; by columns only in the last block. Returns the number of beats.
static uint32_t walk(const struct pkg_job *j, const struct job *at) {
  const size_t first = n_beats;
  uint32_t next = at->split ? at->side_addr : at->addr;
  const uint32_t outer = (uint32_t)(j->by_columns ? j->blocks : j->groups),
                 inner = (uint32_t)(j->by_columns ? j->groups : j->blocks);
  for (uint32_t o = 0; o < outer; o++)
    for (uint32_t i = 0; i < inner; i++) {
      const uint32_t group = j->by_columns ? i : o, block = j->by_columns ? o : i;
      const uint32_t side_block = j->by_columns ? (uint32_t)j->blocks - 1 : 0;
      if (j->sides && group % SIDE_GROUPS == 0 && block == side_block)
        add_beat(j, true, group, block, next++);
      if (at->split && o == 0 && i == 0) next = at->addr;
      add_beat(j, false, group, block, next++);
    }
  return (uint32_t)(n_beats - first);
}

// A job of one of GPT-2's sizes; the rows beyond `most` beats are cut off.
static void add_job(struct job *to, uint32_t segments, unsigned op, uint32_t most, uint64_t *rng) {
  static const uint32_t sizes[] = {1, 2, 3, 5, 12, 16, 20, 25};
  const uint32_t heads = sizes[rng_range(rng, 0, 7)], c = 64 * heads,
                 position = (uint32_t)rng_range(rng, 0, 1023);
  struct pkg_job j;
  uint32_t random[PKG_JOB_WORDS];
  for (int i = 0; i < PKG_JOB_WORDS; i++) random[i] = (uint32_t)rng_next(rng);
  pkg_job_unpack(&j, random);  // fields that do not matter here pass unchanged
  j.op = op;
  j.blocks = op == PKG_OP_POS                                                ? 2 * heads
             : op == PKG_OP_MLP2                                             ? 4 * heads
             : op == PKG_OP_PV                                               ? position / 64 + 1
             : op == PKG_OP_NORM || op == PKG_OP_SCORES || op == PKG_OP_PROJ ? 1
                                                                             : heads;
  const uint32_t rows = op == PKG_OP_POS || op == PKG_OP_TOKEN ? 1
                        : op == PKG_OP_NORM                    ? (c + 15) / 16
                        : op == PKG_OP_QKV                     ? 192
                        : op == PKG_OP_SCORES                  ? position + 1
                        : op == PKG_OP_PV                      ? 64
                        : op == PKG_OP_MLP1                    ? 4 * c
                        : op == PKG_OP_HEAD                    ? (uint32_t)rng_range(rng, 1, 50257)
                                                               : c;
  j.groups = (rows + segments - 1) / segments;
  if (j.groups * j.blocks > most) j.groups = most > j.blocks ? most / j.blocks : 1;
  if (rng_chance(rng, 20) && j.groups > 17) j.groups = (uint64_t)rng_range(rng, 15, 17);
  j.by_columns = op == PKG_OP_PV || op == PKG_OP_PROJ || op == PKG_OP_MLP2;
  j.sides = op == PKG_OP_PROJ ? rng_chance(rng, 30) : op != PKG_OP_PV && op != PKG_OP_NORM;
  *to = (struct job){.split = op == PKG_OP_POS || op == PKG_OP_TOKEN,
                     .addr = (uint32_t)rng_next(rng) >> 1,
                     .side_addr = (uint32_t)rng_next(rng) >> 1};
  pkg_job_pack(to->job, &j);
  to->beats = walk(&j, to) - to->split;
}

// ------------------------------------------------------------------------------------------ memory

struct memory {
  struct block *block;
  uint32_t segments;
  struct block_stream *beats;
  unsigned latency, pause_percent, refuse_percent;
  uint64_t rng;
  uint64_t due[MAX_BEATS];  // when a requested beat may come
  size_t asked, answered, labelled;
  uint64_t first_answer;
  bool valid, ready;
};

static void contents(uint32_t *words, uint32_t at, uint32_t segments) {
  uint64_t x = at * 0x9e3779b97f4a7c15ull + 1;
  for (uint32_t i = 0; i < 16 * segments; i += 2) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    words[i] = (uint32_t)x;
    words[i + 1] = (uint32_t)(x >> 32);
  }
}

static void before(void *ctx) {
  struct memory *m = ctx;
  uint32_t words[MAX_WORDS];
  m->ready = !rng_chance(&m->rng, m->refuse_percent);
  m->valid = m->answered < m->asked && block_cycle(m->block) >= m->due[m->answered] &&
             !rng_chance(&m->rng, m->pause_percent);
  contents(words, m->valid ? address[m->answered] : (uint32_t)rng_next(&m->rng), m->segments);
  block_set_u64(m->block, "rd_req_ready_i", m->ready);
  block_set_u64(m->block, "rd_rsp_valid_i", m->valid);
  block_set(m->block, "rd_rsp_data_i", words);
}

static void after(void *ctx) {
  struct memory *m = ctx;
  struct block *b = m->block;
  const uint64_t now = block_cycle(b);
  assert_true(block_get_u64(b, "rd_rsp_ready_o"));  // it never falls
  // The operand slot of a beat, in the cycle before it.
  if (block_get_u64(b, "next_en_o")) {
    struct pkg_label label;
    assert_true(m->labelled < n_beats);
    pkg_label_unpack(&label, want[m->labelled++].label);
    assert_int_equal(block_get_u64(b, "next_slot_o"), (label.slot + label.block) & 255);
  }
  if (m->valid && m->answered++ == 0) m->first_answer = now;
  if (block_get_u64(b, "rd_req_valid_o") && m->ready) {
    const uint32_t addr = (uint32_t)block_get_u64(b, "rd_req_addr_o"),
                   len = (uint32_t)block_get_u64(b, "rd_req_len_o");
    if (len < 1 || len > MAX_BURST) fail_msg("a burst of %u beats", len);
    for (uint32_t i = 0; i < len; i++) {
      if (m->asked >= n_beats)
        fail_msg("%u beats at %u are requested after the last job's", len - i, addr + i);
      if (addr + i != address[m->asked])
        fail_msg("beat %zu is requested at %u, expected %u", m->asked, addr + i, address[m->asked]);
      m->due[m->asked++] = now + m->latency;
    }
  }
  // Room: the queue and the register after it.
  const size_t ahead = m->asked - m->beats->done;
  if (ahead > DEPTH + 1) fail_msg("%zu beats are requested and not taken", ahead);
  if (block_get_u64(b, "beat_valid_o")) {
    uint32_t data[MAX_WORDS], expected[MAX_WORDS];
    block_get(b, "beat_data_o", data);
    assert_true(m->beats->done < n_beats);
    contents(expected, address[m->beats->done], m->segments);
    if (memcmp(data, expected, 64 * m->segments))
      fail_msg("beat %zu has the wrong data", m->beats->done);
  }
}

static struct memory memory;

static struct block_stream *start(struct block *b, uint32_t segments, size_t n_jobs,
                                  enum block_stall stall, unsigned latency, unsigned pause,
                                  unsigned refuse) {
  block_reset(b);
  block_stalls(b, stall, 11 + latency);
  memory = (struct memory){.block = b,
                           .segments = segments,
                           .latency = latency,
                           .pause_percent = pause,
                           .refuse_percent = refuse,
                           .rng = 1 + latency};
  struct block_stream *source =
      block_source(b, "job_valid_i", "job_ready_o", job_fields, 5, jobs, sizeof *jobs, n_jobs);
  memory.beats =
      block_sink(b, "beat_valid_o", "beat_ready_i", label_field, 1, got, sizeof *got, n_beats);
  block_hooks(b, before, after, &memory);
  return source;
}

static void finish(struct block *b) {
  block_run(b, 1000, 300);
  block_expect(memory.beats, want, n_beats);
  assert_int_equal(memory.asked, n_beats);
  assert_int_equal(memory.labelled, n_beats);
}

// ------------------------------------------------------------------------------------------- tests

// All kinds of jobs mixed, under all kinds of stalls.
static void all_kinds(struct block *b, uint32_t segments) {
  static const struct {
    unsigned latency, pause, refuse;
  } weather[] = {{1, 0, 0}, {150, 0, 0}, {9, 50, 30}, {300, 20, 70}};
  uint64_t rng = segments;
  n_beats = 0;
  for (int i = 0; i < JOBS; i++) {
    const unsigned op =
        i < 20 ? (unsigned)i % 10 : (unsigned)rng_range(&rng, PKG_OP_POS, PKG_OP_HEAD);
    add_job(&jobs[i], segments, op, i % 10 == 0 ? 600 : 60, &rng);
  }
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++)
    for (int i = 0; i < 4; i++) {
      start(b, segments, JOBS, stall, weather[i].latency, weather[i].pause, weather[i].refuse);
      finish(b);
    }
}

// Long jobs, which carry nearly all beats: one beat a cycle, at latencies up to what the queue
// covers.
static void full_rate(struct block *b, uint32_t segments) {
  uint64_t rng = 3;
  n_beats = 0;
  for (int i = 0; i < 20; i++)
    add_job(&jobs[i], segments, i % 3 ? PKG_OP_MLP2 : PKG_OP_MLP1, 800, &rng);
  static const unsigned latencies[] = {1, 2, 3, 10, 64, 150, DEPTH - 2 * MAX_BURST};
  for (size_t i = 0; i < sizeof latencies / sizeof *latencies; i++) {
    const unsigned latency = latencies[i];
    start(b, segments, 20, BLOCK_PLAIN, latency, 0, 0);
    finish(b);
    const struct block_stream *s = memory.beats;
    if (s->last_cycle - s->first_cycle != n_beats - 1)
      fail_msg("latency %u: %llu cycles for %zu beats", latency,
               (unsigned long long)(s->last_cycle - s->first_cycle + 1), n_beats);
    assert_int_equal(s->first_cycle - memory.first_answer, 2);
  }
}

// No beat is taken: the queue fills to nearly its whole depth, and with as many jobs as promised.
static void fills(struct block *b, uint32_t segments) {
  uint64_t rng = 4;
  n_beats = 0;
  for (int i = 0; i < 20; i++) add_job(&jobs[i], segments, PKG_OP_MLP2, 600, &rng);
  start(b, segments, 20, BLOCK_PLAIN, 20, 0, 0);
  memory.beats->hold = true;
  for (int i = 0; i < 1000; i++) block_step(b);
  assert_in_range(memory.asked, DEPTH - MAX_BURST + 1, DEPTH + 1);
  assert_int_equal(memory.answered, memory.asked);
  memory.beats->hold = false;
  finish(b);

  n_beats = 0;
  for (int i = 0; i < 100; i++) {
    struct pkg_job j = {.op = PKG_OP_NORM,
                        .groups = 1 + (uint64_t)i % 2,
                        .blocks = 1,
                        .layer = (uint64_t)i};
    jobs[i] = (struct job){.addr = 1000 * (uint32_t)i};
    pkg_job_pack(jobs[i].job, &j);
    jobs[i].beats = walk(&j, &jobs[i]);
  }
  struct block_stream *source = start(b, segments, 100, BLOCK_PLAIN, 20, 0, 0);
  memory.beats->hold = true;
  for (int i = 0; i < 1000; i++) block_step(b);
  assert_in_range(source->done, JOB_DEPTH, JOB_DEPTH + 2);
  memory.beats->hold = false;
  finish(b);
}

static void check(uint32_t segments) {
  struct block *b = block_open("weight_stream", segments);
  all_kinds(b, segments);
  full_rate(b, segments);
  fills(b, segments);
  block_close(b);
}

int main(void) { return block_test_segments(check, 64); }
