// SPDX-License-Identifier: Apache-2.0
//
// matvec: sums of whole layers equal golden matvec_row(), by rows and by columns with projections
// between the heads' jobs, with the newest key, value and scales in place of what memory holds; a
// beat enters exactly when the issue rule says so. All this for both forms of the adders:
// matvec_retimed is matvec with AdderRetiming = 1 (Makefile)
#include <string.h>

#include "block.h"
#include "golden.h"

// ------------------------------------------------------------------------------------------ layers

struct vectors {
  int8_t k[HEAD_DIM], v[HEAD_DIM];
  uint16_t k_scale, v_scale;
};  // of the newest position
struct job {
  struct pkg_job j;
  const struct operand *x;  // of its blocks
  const struct vectors *newest;
  size_t first_beat;
};
struct sums {
  uint32_t tag[PKG_TAG_WORDS], acc[2 * 64], e_max, excess, side[64];
};

enum { MAX_JOBS = 4000, MAX_GROUPS = 160000, MAX_BEATS = 400000, MAX_OPERANDS = 20000 };

static struct job jobs[MAX_JOBS];
static struct operand operands[MAX_OPERANDS];
static struct vectors newest[MAX_JOBS];
static struct sums want[MAX_GROUPS], got[MAX_GROUPS];
static uint16_t job_of_beat[MAX_BEATS];
static uint32_t *beats;  // label and data of each
static size_t n_jobs, n_operands, n_newest, n_groups, n_beats;
static uint32_t segments, beat_words;

static uint32_t *beat(size_t i) { return beats + i * beat_words; }
static int8_t *data(size_t i) { return (int8_t *)(beat(i) + PKG_LABEL_WORDS); }

enum contents { RANDOM, EXTREME };

static const struct operand *make_operands(uint32_t n, enum contents contents, uint64_t *rng) {
  struct operand *x = operands + n_operands;
  assert_true((n_operands += n) <= MAX_OPERANDS);
  const int top = (int)rng_range(rng, 0, 15);
  for (uint32_t k = 0; k < n; k++) {
    x[k].e = (uint8_t)(contents == EXTREME ? 15 : rng_range(rng, 0, top));
    for (int i = 0; i < HEAD_DIM; i++)
      x[k].m[i] = (int16_t)(contents == EXTREME ? INT16_MIN : rng_signed(rng, 16));
  }
  return x;
}

static void add_beat(const struct job *job, bool side, uint32_t group, uint32_t block,
                     enum contents contents, uint64_t *rng) {
  const struct pkg_label label = block_label(&job->j, side, group, block);
  assert_true(n_beats < MAX_BEATS);
  pkg_label_pack(beat(n_beats), &label);
  for (uint32_t i = 0; i < 16 * segments; i++)
    beat(n_beats)[PKG_LABEL_WORDS + i] =
        contents == EXTREME ? 0x80808080u : (uint32_t)rng_next(rng);
  job_of_beat[n_beats++] = (uint16_t)(job - jobs);
}

// Appends a job's beats (model/image/image.h, 2 and 3).
static struct job *add_job(struct pkg_job j, const struct operand *x, const struct vectors *v,
                           enum contents contents, uint64_t *rng) {
  assert_true(n_jobs < MAX_JOBS);
  struct job *job = &jobs[n_jobs++];
  j.slot = (uint64_t)rng_range(rng, 0, 80);
  j.excess = (uint64_t)rng_range(rng, 0, 7);
  j.free = rng_chance(rng, 50);
  j.layer = (uint64_t)rng_range(rng, 0, 255);
  j.final_layer = rng_chance(rng, 50);
  j.want_head = rng_chance(rng, 50);
  *job = (struct job){j, x, v, n_beats};
  const uint32_t outer = (uint32_t)(j.by_columns ? j.blocks : j.groups),
                 inner = (uint32_t)(j.by_columns ? j.groups : j.blocks);
  for (uint32_t o = 0; o < outer; o++)
    for (uint32_t i = 0; i < inner; i++) {
      const uint32_t group = j.by_columns ? i : o, block = j.by_columns ? o : i;
      if (j.sides && group % SIDE_GROUPS == 0 && block == (j.by_columns ? j.blocks - 1 : 0))
        add_beat(job, true, group, block, RANDOM, rng);
      add_beat(job, false, group, block, contents, rng);
    }
  return job;
}

// The beat of a group's block, without counting side beats.
static size_t find_beat(const struct job *job, uint32_t group, uint32_t block) {
  const struct pkg_job *j = &job->j;
  if (!j->by_columns)
    return job->first_beat + group * j->blocks + block + (j->sides ? group / SIDE_GROUPS + 1 : 0);
  return job->first_beat + block * j->groups + group +
         (j->sides && block == j->blocks - 1 ? group / SIDE_GROUPS + 1 : 0);
}

// The sums of a chain of n jobs of one block each (projection), or of one job of all blocks.
static void expect_sums(const struct job *first, uint32_t n) {
  static int8_t merged[4 * MAX_HEADS][64 * HEAD_DIM];
  static struct operand x[4 * MAX_HEADS];
  const struct job *job = first;
  const struct job *chain[MAX_HEADS] = {first};
  for (uint32_t i = 1; i < n; i++) {  // the next of its operation
    do job++;
    while (job->j.op != first->j.op);
    chain[i] = job;
  }
  const struct pkg_job *j = &job->j;
  const uint32_t position = (uint32_t)j->position, blocks = n > 1 ? n : (uint32_t)j->blocks;
  for (uint32_t k = 0; k < blocks; k++) x[k] = n > 1 ? chain[k]->x[0] : job->x[k];
  for (uint32_t g = 0; g < j->groups; g++) {
    assert_true(n_groups < MAX_GROUPS);
    struct sums *to = &want[n_groups++];
    for (uint32_t k = 0; k < blocks; k++) {
      memcpy(merged[k], data(n > 1 ? find_beat(chain[k], g, 0) : find_beat(job, g, k)),
             64 * segments);
      if (j->op == PKG_OP_SCORES && g == position / segments)
        memcpy(merged[k] + position % segments * HEAD_DIM, job->newest->k, HEAD_DIM);
      if (j->op == PKG_OP_PV && k == position / HEAD_DIM)
        for (uint32_t s = 0; s < segments; s++)
          merged[k][s * HEAD_DIM + position % HEAD_DIM] = job->newest->v[g * segments + s];
    }
    int e_max = 0;
    for (uint32_t s = 0; s < segments; s++) {
      const int8_t *w[4 * MAX_HEADS];
      for (uint32_t k = 0; k < blocks; k++) w[k] = merged[k] + s * HEAD_DIM;
      const uint64_t acc = (uint64_t)matvec_row(&e_max, w, x, blocks);
      to->acc[2 * s] = (uint32_t)acc;
      to->acc[2 * s + 1] = (uint32_t)(acc >> 32);
    }
    to->e_max = (uint32_t)e_max;
    to->excess = (uint32_t)j->excess;
    const struct pkg_tag tag = {.op = j->op,
                                .layer = j->layer,
                                .head = j->head,
                                .final_layer = j->final_layer,
                                .want_head = j->want_head,
                                .position = j->position,
                                .group = g,
                                .last = g == j->groups - 1};
    pkg_tag_pack(to->tag, &tag);
    if (!j->sides) continue;  // PV has none; these bits are free
    const uint32_t first_group = g / SIDE_GROUPS * SIDE_GROUPS;
    const uint32_t *side =
        beat(find_beat(job, first_group, j->by_columns ? (uint32_t)j->blocks - 1 : 0) - 1) +
        PKG_LABEL_WORDS;
    for (uint32_t s = 0; s < segments; s++) {
      const uint32_t row = g * segments + s;
      to->side[s] = side[row % (SIDE_GROUPS * segments)];
      if (j->op == PKG_OP_SCORES && row == position)
        to->side[s] = (uint32_t)job->newest->v_scale << 16 | job->newest->k_scale;
    }
  }
}

static uint32_t groups_of(uint32_t rows, uint32_t most) {
  const uint32_t groups = (rows + segments - 1) / segments;
  return groups < most ? groups : most;
}

// One layer and a head after it in the sequencer's order: projections between the last heads' jobs.
// Rows beyond `most` groups are left out, except of the projection.
static void add_layer(uint32_t heads, uint32_t position, uint32_t most, enum contents contents,
                      uint64_t *rng) {
  const uint32_t c = heads * HEAD_DIM;
  const struct pkg_job rows = {.position = position,
                               .blocks = heads,
                               .sides = 1,
                               .first = 1,
                               .last = 1};
  struct pkg_job j;
  const struct job *job, *first_proj = NULL;
  uint32_t pv = 0, proj = 0;
  for (uint32_t step = 0; step < heads + 3 || proj < heads; step++) {
    if (step < heads) {
      j = rows;
      j.op = PKG_OP_QKV;
      j.head = step;
      j.groups = groups_of(192, most);
      job = add_job(j, make_operands(heads, contents, rng), NULL, contents, rng);
      expect_sums(job, 1);
    }
    // Projections of heads that are done: before scores, before PV, and after it.
    for (int place = 0; place < 3; place++) {
      while (proj < pv && step >= heads && (step >= heads + 3 || rng_chance(rng, 60))) {
        j = rows;
        j.op = PKG_OP_PROJ;
        j.head = proj;
        j.groups = c / segments;
        j.blocks = 1;
        j.by_columns = 1;
        j.first = proj == 0;
        j.last = j.sides = proj == heads - 1;
        job = add_job(j, make_operands(1, contents, rng), NULL, contents, rng);
        if (proj++ == 0) first_proj = job;
        if (proj == heads) expect_sums(first_proj, heads);
      }
      if (place == 0 && step >= 1 && step - 1 < heads) {
        struct vectors *v = &newest[n_newest + step - 1];
        for (int i = 0; i < HEAD_DIM; i++) {
          v->k[i] = (int8_t)rng_next(rng);
          v->v[i] = (int8_t)rng_next(rng);
        }
        v->k_scale = (uint16_t)rng_next(rng);
        v->v_scale = (uint16_t)rng_next(rng);
        j = rows;
        j.op = PKG_OP_SCORES;
        j.head = step - 1;
        j.groups = groups_of(position + 1, UINT32_MAX);
        j.blocks = 1;
        job = add_job(j, make_operands(1, contents, rng), v, contents, rng);
        expect_sums(job, 1);
      }
      if (place == 1 && step >= 2 && pv < heads) {
        j = rows;
        j.op = PKG_OP_PV;
        j.head = pv;
        j.groups = HEAD_DIM / segments;
        j.blocks = position / HEAD_DIM + 1;
        j.by_columns = 1;
        j.sides = 0;
        job = add_job(j, make_operands((uint32_t)j.blocks, contents, rng), &newest[n_newest + pv],
                      contents, rng);
        expect_sums(job, 1);
        pv++;
      }
    }
  }
  n_newest += heads;
  j = rows;
  j.op = PKG_OP_MLP1;
  j.groups = groups_of(4 * c, most);
  expect_sums(add_job(j, make_operands(heads, contents, rng), NULL, contents, rng), 1);
  j.op = PKG_OP_MLP2;
  j.by_columns = 1;
  j.groups = groups_of(c, most);
  j.blocks = 4 * heads;
  expect_sums(add_job(j, make_operands(4 * heads, contents, rng), NULL, contents, rng), 1);
  j = rows;
  j.op = PKG_OP_HEAD;
  j.groups = groups_of(301, most);
  expect_sums(add_job(j, make_operands(heads, contents, rng), NULL, contents, rng), 1);
}

// ------------------------------------------------------------------------------------------- bench

struct bench {
  struct block *block;
  struct block_stream *source;
  uint64_t rng;
  unsigned refuse_percent;  // how often each condition of the issue rule does not hold
  bool valid, full, scores_free, head_room, scores_busy, done;
  uint32_t entry_busy, entry_ready;
  struct pkg_label label;
  const struct job *job;
  const struct operand *read;  // the operand read in the cycle before, or NULL
  const struct job *merges;    // the job whose beat entered in the cycle before, or NULL
  bool asks, asks_v;           // that beat asked for the newest position's bytes, for its value
  uint64_t asked_entry, asked_group;
  uint64_t release;     // what the beat that entered in the cycle before releases
  uint64_t done_cycle;  // when the last score comes out of rescale
  unsigned refusals;
};

static void set_noise(struct block *b, const char *port, uint64_t *rng) {
  uint32_t words[64];
  for (int i = 0; i < 64; i++) words[i] = (uint32_t)rng_next(rng);
  block_set(b, port, words);
}

static uint32_t conditions(struct bench *t, unsigned n) {
  uint32_t bits = 0;
  for (unsigned i = 0; i < n; i++) bits |= (uint32_t)!rng_chance(&t->rng, t->refuse_percent) << i;
  return bits;
}

static void before(void *ctx) {
  struct bench *t = ctx;
  struct block *b = t->block;
  t->valid = block_get_u64(b, "in_valid_i");
  if (t->valid) {
    t->job = &jobs[job_of_beat[t->source->done]];
    pkg_label_unpack(&t->label, beat(t->source->done));
  }
  t->full = conditions(t, 1);
  t->scores_free = conditions(t, 1);
  t->head_room = conditions(t, 1);
  t->entry_busy = conditions(t, 4) ^ 15;
  t->entry_ready = conditions(t, 4);
  t->done = t->scores_busy && block_cycle(b) == t->done_cycle;
  block_set_u64(b, "full_i", t->full);
  block_set_u64(b, "scores_free_i", t->scores_free);
  block_set_u64(b, "head_room_i", t->head_room);
  block_set_u64(b, "entry_busy_i", t->entry_busy);
  block_set_u64(b, "entry_ready_i", t->entry_ready);
  block_set_u64(b, "scores_done_i", t->done);

  uint32_t words[PKG_OPERAND_WORDS];
  if (t->read) {
    pkg_operand_pack(words, t->read->m, t->read->e);
    block_set(b, "operand_i", words);
  } else {
    set_noise(b, "operand_i", &t->rng);
  }

  // What the engine asks for, and noise.
  set_noise(b, "merge_k_i", &t->rng);
  set_noise(b, "merge_v_i", &t->rng);
  set_noise(b, "merge_k_scale_i", &t->rng);
  set_noise(b, "merge_v_scale_i", &t->rng);
  if (!t->asks) return;
  assert_non_null(t->merges);
  assert_non_null(t->merges->newest);
  assert_int_equal(t->asked_entry, t->merges->j.head % 4);
  if (t->asks_v) {
    memcpy(words, t->merges->newest->v + t->asked_group * segments, segments);
    block_set(b, "merge_v_i", words);
  } else {
    memcpy(words, t->merges->newest->k, HEAD_DIM);
    block_set(b, "merge_k_i", words);
    block_set_u64(b, "merge_k_scale_i", t->merges->newest->k_scale);
    block_set_u64(b, "merge_v_scale_i", t->merges->newest->v_scale);
  }
}

// The issue rule, from matvec's contract.
static bool may_enter(const struct bench *t) {
  const struct pkg_label *l = &t->label;
  const bool starts = l->group == 0 && l->block == 0;
  const uint32_t entry = l->head % 4;
  if (!l->side && !t->full) return false;
  switch (l->op) {
    case PKG_OP_QKV: return !(starts && t->entry_busy >> entry & 1);
    case PKG_OP_SCORES:
      return (t->entry_ready >> entry & 1) &&
             !(l->side && starts && (t->scores_busy || !t->scores_free));
    case PKG_OP_HEAD: return l->side || !l->last_block || t->head_room;
    default: return true;
  }
}

static void after(void *ctx) {
  struct bench *t = ctx;
  struct block *b = t->block;
  const struct pkg_label *l = &t->label;
  const bool enters = t->valid && may_enter(t), read = enters && !l->side;
  if (t->valid && block_get_u64(b, "in_ready_o") != enters)
    fail_msg("beat %zu (op %llu, head %llu, group %llu, block %llu, side %llu): %s",
             t->source->done, (unsigned long long)l->op, (unsigned long long)l->head,
             (unsigned long long)l->group, (unsigned long long)l->block,
             (unsigned long long)l->side, enters ? "may enter and does not" : "enters and may not");
  t->refusals += t->valid && !enters;
  assert_int_equal(block_get_u64(b, "rd_en_o"), read);
  if (read) assert_int_equal(block_get_u64(b, "rd_free_o"), l->free && l->last_group);
  assert_int_equal(block_get_u64(b, "release_o"), t->release);
  const bool releases = enters && l->op == PKG_OP_PV && l->last_block && l->last_group;
  t->release = releases ? 1u << l->head % 4 : 0;
  t->read = read ? &t->job->x[l->block] : NULL;
  t->merges = enters ? t->job : NULL;
  t->asks = block_get_u64(b, "merge_valid_o");
  t->asks_v = block_get_u64(b, "merge_is_v_o");
  t->asked_entry = block_get_u64(b, "merge_entry_o");
  t->asked_group = block_get_u64(b, "merge_group_o");
  if (t->done) t->scores_busy = false;
  if (enters && l->op == PKG_OP_SCORES && l->side && l->group == 0) {
    t->scores_busy = true;
    t->done_cycle = UINT64_MAX;
  }
  if (block_get_u64(b, "out_valid_o")) {
    struct pkg_tag tag;
    uint32_t words[PKG_TAG_WORDS];
    block_get(b, "out_tag_o", words);
    pkg_tag_unpack(&tag, words);
    if (tag.op == PKG_OP_SCORES && tag.last)
      t->done_cycle = block_cycle(b) + (uint64_t)rng_range(&t->rng, 3, 12);
  }
}

static void run(struct block *b, enum block_stall stall) {
  const struct block_field in_fields[] = {
      {"in_label_i", 0, 4 * PKG_LABEL_WORDS},
      {"in_data_i", 4 * PKG_LABEL_WORDS, 64 * segments},
  };
  const struct block_field out_fields[] = {
      BLOCK_FIELD(struct sums, tag, "out_tag_o"),
      BLOCK_FIELD(struct sums, acc, "out_acc_o"),
      BLOCK_FIELD(struct sums, e_max, "out_e_max_o"),
      BLOCK_FIELD(struct sums, excess, "out_excess_o"),
      BLOCK_FIELD(struct sums, side, "out_side_o"),
  };
  block_reset(b);
  block_stalls(b, stall, 17);
  uint32_t batch[PKG_BATCH_WORDS];
  pkg_batch_pack(batch, &(struct pkg_batch){.members = 1});
  block_set(b, "batch_i", batch);
  struct bench t = {.block = b,
                    .rng = 99 + stall,
                    .refuse_percent = stall & BLOCK_BACK_PRESSURE ? 25 : 0};
  t.source =
      block_source(b, "in_valid_i", "in_ready_o", in_fields, 2, beats, 4 * beat_words, n_beats);
  struct block_stream *sink =
      block_sink(b, "out_valid_o", NULL, out_fields, 5, got, sizeof *got, n_groups);
  block_hooks(b, before, after, &t);
  block_run(b, 1000, 50);
  for (size_t i = 0; i < n_groups; i++) {
    struct pkg_tag tag;
    pkg_tag_unpack(&tag, want[i].tag);
    if (tag.op == PKG_OP_PV)
      memset(got[i].side, 0, sizeof got[i].side), memset(want[i].side, 0, sizeof want[i].side);
  }
  block_expect(sink, want, n_groups);
  if (!(stall & BLOCK_BACK_PRESSURE)) assert_int_equal(sink->last_cycle - t.source->last_cycle, 12);
  else assert_true(t.refusals > n_beats / 100);
}

static void begin(void) {
  n_jobs = n_operands = n_newest = n_groups = n_beats = 0;
  memset(want, 0, sizeof want);
}

static void check(const char *module, uint32_t with_segments) {
  uint64_t rng = 1 + with_segments;
  segments = with_segments;
  beat_words = PKG_LABEL_WORDS + 16 * segments;
  beats = malloc(MAX_BEATS / segments * 4 * (size_t)beat_words + (size_t)8000 * 4 * beat_words);
  assert_non_null(beats);
  struct block *b = block_open(module, segments);

  // Small models at the edges of groups, tiles and side beats; one accumulator after another at 1
  // head and 64 segments.
  begin();
  const uint32_t edges[] =
      {0, 63, 64, segments - 1, segments, 16 * segments - 1, 16 * segments % 1024, 200};
  for (uint32_t i = 0; i < 8; i++)
    add_layer(1 + i % 3, edges[i], 20, i == 5 ? EXTREME : RANDOM, &rng);
  add_layer(1, 1, 300, RANDOM, &rng);
  add_layer(5, 129, 40, RANDOM, &rng);
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) run(b, stall);

  // The largest: 1024 positions, 1600 wide, 100 blocks of the largest numbers.
  begin();
  add_layer(12, 1023, 20, RANDOM, &rng);
  add_layer(25, 511, 4, EXTREME, &rng);
  add_layer(25, 318, 6, RANDOM, &rng);
  run(b, BLOCK_PLAIN);
  run(b, BLOCK_BOTH);
  block_close(b);
  free(beats);
}

BLOCK_TEST(test_1, check("matvec", 1))
BLOCK_TEST(test_4, check("matvec", 4))
BLOCK_TEST(test_16, check("matvec", 16))
BLOCK_TEST(test_64, check("matvec", 64))
BLOCK_TEST(test_retimed_1, check("matvec_retimed", 1))
BLOCK_TEST(test_retimed_4, check("matvec_retimed", 4))
BLOCK_TEST(test_retimed_16, check("matvec_retimed", 16))
BLOCK_TEST(test_retimed_64, check("matvec_retimed", 64))

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_1),          cmocka_unit_test(test_4),
      cmocka_unit_test(test_16),         cmocka_unit_test(test_64),
      cmocka_unit_test(test_retimed_1),  cmocka_unit_test(test_retimed_4),
      cmocka_unit_test(test_retimed_16), cmocka_unit_test(test_retimed_64),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
