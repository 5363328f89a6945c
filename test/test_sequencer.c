// SPDX-License-Identifier: Apache-2.0
//
// sequencer: the jobs of a token are all there, each once, with the shape and the addresses that
// model/image/image.h gives them, in an order that an engine without reordering can run and that
// reads the stream's region from end to end
#include <string.h>

#include "block.h"
#include "golden.h"

enum {
  SLOT_X = 0,
  SLOT_O = PKG_SLOT_O(MAX_HEADS),
  SLOT_G = PKG_SLOT_G(MAX_HEADS),
  SLOT_Q = PKG_SLOT_Q(MAX_HEADS),
  SLOT_P = PKG_SLOT_P(MAX_HEADS),
  MAX_TILES = MAX_CTX / HEAD_DIM
};
enum { MAX_LAYERS = 48, MAX_STEPS = 24, MAX_JOBS = MAX_STEPS * (4 + 6 * (4 * MAX_HEADS + 4)) };

struct step {
  uint32_t step[PKG_STEP_WORDS];
};
struct job {
  uint32_t job[PKG_JOB_WORDS], split, side_addr, addr, beats;
};
static const struct block_field step_fields[] = {BLOCK_FIELD(struct step, step, "step_i")};
static const struct block_field job_fields[] = {
    BLOCK_FIELD(struct job, job, "job_o"),
    BLOCK_FIELD(struct job, split, "split_o"),
    BLOCK_FIELD(struct job, side_addr, "side_addr_o"),
    BLOCK_FIELD(struct job, addr, "addr_o"),
    BLOCK_FIELD(struct job, beats, "beats_o"),
};

// -------------------------------------------------------------------------------------- the memory

static struct image_header layout(uint32_t segments, uint32_t layers, uint32_t heads, uint32_t ctx,
                                  uint32_t vocab, bool tied) {
  struct image_header h = {.lanes = 64 * segments,
                           .n_layer = layers,
                           .n_head = heads,
                           .n_embd = 64 * heads,
                           .n_ctx = ctx,
                           .vocab_size = vocab,
                           .tied = tied};
  const uint64_t wpe = image_matrix_beats(h.lanes, ctx, 2 * h.n_embd),
                 table = image_matrix_beats(h.lanes, vocab, h.n_embd);
  h.stream_base = wpe + (tied ? 0 : table);
  struct weight_stream last;
  weight_stream_layer(&last, &h, layers - 1);
  h.head_base = last.mlp2 + image_matrix_beats(h.lanes, h.n_embd, 4 * h.n_embd);
  h.wte_base = tied ? h.head_base : wpe;
  h.kv_base = h.n_beats = h.head_base + table;
  h.kv_v_off = (uint32_t)image_matrix_beats(h.lanes, ctx, HEAD_DIM);
  h.kv_stride = h.kv_v_off + (uint32_t)div_up(ctx, HEAD_DIM) * (HEAD_DIM / segments);
  return h;
}

// The place of the first of a row's beats, by the golden model.
static uint64_t row_address(const struct image_header *h, uint64_t base, uint32_t n_rows,
                            uint32_t n_blocks, uint32_t row) {
  const uint8_t *zero = (const uint8_t *)(uintptr_t)0x10000;
  const struct image image = {.header = *h, .beats = zero};
  const struct matrix m = {&image, base, n_rows, n_blocks, false};
  return (uint64_t)((const uint8_t *)matrix_block(&m, row, 0) - zero) / h->lanes;
}

// --------------------------------------------------------------------------------------- one token

struct token {
  uint32_t id, position;
  bool head;
};

static size_t token_jobs(const struct image_header *h, const struct token *t) {
  return 2 + h->n_layer * (4 * h->n_head + 4) + (t->head ? 2 : 0);
}

static unsigned excess_of(uint64_t blocks) {  // max(0, ceil(log2(blocks)) - 3)
  unsigned n = 0;
  while (((uint64_t)8 << n) < blocks) n++;
  return n;
}

// What the jobs so far allow.
struct progress {
  const struct image_header *h;
  const struct token *t;
  uint64_t stream;  // the beat of the stream's region that comes next
  uint32_t norms, layer;
  bool pos, token, ln2, mlp1, ln_next, mlp2, head;  // the last five of the layer
  uint32_t qkv, scores, pv, proj;                   // how many of the layer's heads
};

// The parts of a job that its operation uses. The others are free.
static struct pkg_job used(struct pkg_job j) {
  const bool row = j.op == PKG_OP_POS || j.op == PKG_OP_TOKEN, norm = j.op == PKG_OP_NORM;
  if (row || norm) j.first = j.last = j.slot = j.free = j.excess = 0;
  if (!row) j.row_in_group = j.side_index = 0;
  j.alone = j.member = 0;  // there is one member
  if (j.op != PKG_OP_QKV && j.op != PKG_OP_SCORES && j.op != PKG_OP_PV && j.op != PKG_OP_PROJ)
    j.head = 0;
  return j;
}

#define REQUIRE(condition)                                                                    \
  do {                                                                                        \
    if (!(condition))                                                                         \
      fail_msg("%s layer %u head %u, position %u: not %s", name, layer, head, p->t->position, \
               #condition);                                                                   \
  } while (0)

// Checks that the job may come here, advances, and returns what it must be.
static void expect(struct progress *p, const struct job *found, struct pkg_job *want,
                   struct job *where) {
  static const char *const names[] = {"position", "token",      "norm",  "QKV",   "scores",
                                      "PV",       "projection", "MLP 1", "MLP 2", "head"};
  const struct image_header *h = p->h;
  struct pkg_job f;
  pkg_job_unpack(&f, found->job);
  const uint32_t s = h->lanes / HEAD_DIM, c = h->n_embd, head = (uint32_t)f.head, layer = p->layer,
                 heads = h->n_head;
  const uint32_t head_groups = HEAD_DIM / s, tiles = p->t->position / HEAD_DIM + 1;
  const char *name = f.op < 10 ? names[f.op] : "?";
  struct weight_stream w;
  weight_stream_layer(&w, h, layer);
  *where = (struct job){.split = 0};
  *want = (struct pkg_job){.op = f.op,
                           .layer = layer,
                           .head = head,
                           .final_layer = layer == h->n_layer - 1,
                           .want_head = p->t->head,
                           .position = p->t->position,
                           .blocks = heads,
                           .sides = 1,
                           .first = 1,
                           .last = 1,
                           .free = 1};
  uint64_t beats = 0, summed = 0;
  bool stream = true;
  switch (f.op) {
    case PKG_OP_NORM:
      // LayerNorm holds the parameters of one pass: the next come when it has begun, as its first
      // use shows.
      if (p->norms == 0) {
        where->addr = (uint32_t)w.ln1;
      } else if (p->norms % 2 == 1) {
        REQUIRE(p->qkv > 0);
        REQUIRE(!p->ln2);
        where->addr = (uint32_t)w.ln2;
        p->ln2 = true;
      } else {
        REQUIRE(p->mlp1);
        REQUIRE(!p->ln_next);
        where->addr = (uint32_t)w.ln_next;
        p->ln_next = true;
      }
      p->norms++;
      want->groups = beats = div_up(c, SIDE_GROUPS * s);
      want->blocks = 1;
      want->sides = 0;
      break;
    case PKG_OP_POS:
      REQUIRE(!p->pos);
      REQUIRE(!p->token);  // it replaces the residual
      p->pos = true;
      stream = false;
      where->split = 1;
      want->groups = 1;
      want->blocks = beats = 2 * heads;
      want->row_in_group = p->t->position % s;
      want->side_index = p->t->position % (SIDE_GROUPS * s);
      where->addr = (uint32_t)row_address(h, h->wpe_base, h->n_ctx, 2 * heads, p->t->position);
      where->side_addr = (uint32_t)h->wpe_base +
                         p->t->position / (SIDE_GROUPS * s) * (SIDE_GROUPS * 2 * heads + 1);
      break;
    case PKG_OP_TOKEN:
      REQUIRE(p->pos);
      REQUIRE(!p->token);
      p->token = true;
      stream = false;
      where->split = 1;
      want->groups = 1;
      beats = heads;
      want->row_in_group = p->t->id % s;
      want->side_index = p->t->id % (SIDE_GROUPS * s);
      where->addr = (uint32_t)row_address(h, h->wte_base, h->vocab_size, heads, p->t->id);
      where->side_addr =
          (uint32_t)h->wte_base + p->t->id / (SIDE_GROUPS * s) * (SIDE_GROUPS * heads + 1);
      break;
    case PKG_OP_QKV:
      REQUIRE(p->token);
      REQUIRE(p->norms == 2 * layer + 1);
      REQUIRE(head == p->qkv);
      REQUIRE(head < heads);
      REQUIRE(head < 2 || p->scores >= head - 1);  // the query's slot is empty again
      REQUIRE(head < 4 || p->pv >= head - 3);      // the KV cache's entry too
      p->qkv++;
      want->groups = 3 * head_groups;
      want->free = head == heads - 1;
      beats = image_matrix_beats(h->lanes, 3 * HEAD_DIM, c);
      summed = heads;
      where->addr = (uint32_t)(w.qkv + head * beats);
      break;
    case PKG_OP_SCORES:
      REQUIRE(head == p->scores);
      REQUIRE(head < p->qkv);
      REQUIRE(head < 2 || p->pv >= head - 1);  // the probabilities' slots are empty again
      p->scores++;
      stream = false;
      want->groups = p->t->position / s + 1;
      want->blocks = 1;
      want->slot = SLOT_Q + head % 2;
      beats = want->groups + div_up(want->groups, SIDE_GROUPS);
      summed = 1;
      where->addr = (uint32_t)(h->kv_base + ((uint64_t)layer * heads + head) * h->kv_stride);
      break;
    case PKG_OP_PV:
      REQUIRE(head == p->pv);
      REQUIRE(head < p->scores);
      p->pv++;
      stream = false;
      want->groups = head_groups;
      want->blocks = summed = tiles;
      want->by_columns = 1;
      want->sides = 0;
      want->slot = SLOT_P + head % 2 * MAX_TILES;
      beats = tiles * head_groups;
      where->addr =
          (uint32_t)(h->kv_base + ((uint64_t)layer * heads + head) * h->kv_stride + h->kv_v_off);
      break;
    case PKG_OP_PROJ:
      REQUIRE(head == p->proj);
      REQUIRE(head < p->pv);
      REQUIRE(p->ln2);
      p->proj++;
      want->groups = c / s;
      want->blocks = 1;
      want->by_columns = 1;
      want->first = head == 0;
      want->last = want->sides = head == heads - 1;
      want->slot = SLOT_O + head;
      beats = want->groups + (want->sides ? div_up(want->groups, SIDE_GROUPS) : 0);
      summed = heads;
      where->addr = (uint32_t)(w.proj + head * want->groups);
      break;
    case PKG_OP_MLP1:
      REQUIRE(p->proj == heads);
      REQUIRE(!p->mlp1);
      p->mlp1 = true;
      want->groups = 4 * c / s;
      beats = image_matrix_beats(h->lanes, 4 * c, c);
      summed = heads;
      where->addr = (uint32_t)w.mlp1;
      break;
    case PKG_OP_MLP2:
      REQUIRE(p->mlp1);
      REQUIRE(!p->mlp2);
      REQUIRE(p->ln_next || (layer == h->n_layer - 1 && !p->t->head));
      want->groups = c / s;
      want->blocks = summed = 4 * heads;
      want->by_columns = 1;
      want->slot = SLOT_G;
      beats = image_matrix_beats(h->lanes, c, 4 * c);
      where->addr = (uint32_t)w.mlp2;
      if (layer < h->n_layer - 1) {
        p->layer++;
        p->qkv = p->scores = p->pv = p->proj = 0;
        p->ln2 = p->mlp1 = p->ln_next = false;
      } else {
        p->mlp2 = true;
      }
      break;
    case PKG_OP_HEAD:
      REQUIRE(p->mlp2);
      REQUIRE(p->t->head);
      REQUIRE(!p->head);
      REQUIRE(p->ln_next);
      p->head = true;
      want->groups = div_up(h->vocab_size, s);
      beats = image_matrix_beats(h->lanes, h->vocab_size, c);
      summed = heads;
      where->addr = (uint32_t)h->head_base;
      break;
    default: fail_msg("no such job: %llu", (unsigned long long)f.op);
  }
  if (summed) want->excess = excess_of(summed);
  where->beats = (uint32_t)beats;
  if (stream) {
    if (p->stream != where->addr) {  // only ln_f may be skipped, if no head follows
      REQUIRE(!p->t->head);
      REQUIRE(f.op == PKG_OP_MLP2);
      REQUIRE(p->stream == w.ln_next);
    }
    p->stream = where->addr + beats;
  }
}

static void check_token(const struct image_header *h, const struct token *t, const struct job *jobs,
                        size_t n) {
  struct progress progress = {.h = h, .t = t, .stream = h->stream_base}, *p = &progress;
  for (size_t i = 0; i < n; i++) {
    struct pkg_job want, found;
    struct job where;
    expect(p, &jobs[i], &want, &where);
    pkg_job_unpack(&found, jobs[i].job);
    want = used(want);
    found = used(found);
#define SAME(name, bits)                                                                        \
  if (found.name != want.name)                                                                  \
    fail_msg("job %zu of %zu (op %llu, layer %llu, head %llu) of position %u, %u heads: " #name \
             " is %llu, expected %llu",                                                         \
             i, n, (unsigned long long)found.op, (unsigned long long)found.layer,               \
             (unsigned long long)found.head, t->position, h->n_head,                            \
             (unsigned long long)found.name, (unsigned long long)want.name);
    PKG_JOB_FIELDS(SAME)
    if (jobs[i].addr != where.addr || jobs[i].beats != where.beats ||
        jobs[i].split != where.split || (where.split && jobs[i].side_addr != where.side_addr))
      fail_msg("job %zu (op %llu, layer %llu, head %llu) of position %u: %u beats at %u, split %u, "
               "side %u; expected %u at %u, %u, %u",
               i, (unsigned long long)found.op, (unsigned long long)found.layer,
               (unsigned long long)found.head, t->position, jobs[i].beats, jobs[i].addr,
               jobs[i].split, jobs[i].side_addr, where.beats, where.addr, where.split,
               where.side_addr);
  }
  const char *name = "end";
  const uint32_t layer = p->layer, head = 0;
  REQUIRE(p->mlp2);
  REQUIRE(p->head == t->head);
  REQUIRE(p->stream ==
          h->head_base + (t->head ? image_matrix_beats(h->lanes, h->vocab_size, h->n_embd) : 0));
}

// ------------------------------------------------------------------------------------------- bench

struct bench {
  struct block *block;
  struct block_stream *steps, *jobs;
  const size_t *jobs_before;  // jobs of all steps before this one
  uint64_t rng;
  unsigned busy_percent;  // how often the KV cache is not idle
  bool kv_idle;
};

static void before(void *ctx) {
  struct bench *t = ctx;
  t->kv_idle = !rng_chance(&t->rng, t->busy_percent);
  block_set_u64(t->block, "kv_idle_i", t->kv_idle);
}

// A step is offered when its predecessor's jobs are out; it is taken only if the KV cache is idle.
static void after(void *ctx) {
  struct bench *t = ctx;
  const bool ready = block_get_u64(t->block, "step_ready_o");
  if (!t->kv_idle) assert_false(ready);
  const size_t next = t->steps->done + (ready && block_get_u64(t->block, "step_valid_i"));
  t->steps->hold = t->jobs->done < t->jobs_before[next];
}

static void run(struct block *b, const struct image_header *h, const struct token *tokens, size_t n,
                enum block_stall stall) {
  static struct step steps[MAX_STEPS];
  static struct job jobs[MAX_JOBS];
  size_t jobs_before[MAX_STEPS + 1] = {0};
  uint32_t words[PKG_CONFIG_WORDS];
  assert_true(n <= MAX_STEPS);
  for (size_t i = 0; i < n; i++) {
    pkg_step_pack(steps[i].step, &(struct pkg_step){.id = tokens[i].id,
                                                    .position = tokens[i].position,
                                                    .head = tokens[i].head});
    jobs_before[i + 1] = jobs_before[i] + token_jobs(h, &tokens[i]);
  }
  const size_t n_jobs = jobs_before[n];
  assert_true(n_jobs <= MAX_JOBS);
  block_reset(b);
  block_stalls(b, stall, 5 + h->n_head);
  pkg_config_pack(words, &(struct pkg_config){.n_layer = h->n_layer,
                                              .n_head = h->n_head,
                                              .n_ctx = h->n_ctx,
                                              .n_vocab = h->vocab_size,
                                              .wpe_base = h->wpe_base,
                                              .wte_base = h->wte_base,
                                              .stream_base = h->stream_base,
                                              .head_base = h->head_base,
                                              .kv_base = h->kv_base,
                                              .kv_stride = h->kv_stride,
                                              .kv_v_off = h->kv_v_off});
  block_set(b, "cfg_i", words);
  struct bench t = {.block = b,
                    .jobs_before = jobs_before,
                    .rng = 1 + h->n_head,
                    .busy_percent = stall & BLOCK_IDLE ? 70 : 0};
  t.steps =
      block_source(b, "step_valid_i", "step_ready_o", step_fields, 1, steps, sizeof *steps, n);
  t.jobs = block_sink(b, "job_valid_o", "job_ready_i", job_fields, 5, jobs, sizeof *jobs, n_jobs);
  block_hooks(b, before, after, &t);
  block_run(b, 1000, 100);
  for (size_t i = 0; i < n; i++)
    check_token(h, &tokens[i], jobs + jobs_before[i], jobs_before[i + 1] - jobs_before[i]);
  if (stall == BLOCK_PLAIN) assert_true(t.jobs->last_cycle - t.jobs->first_cycle < 3 * n_jobs);
}

static void check(uint32_t segments) {
  static const uint32_t heads[] = {1, 2, 3, 4, 5, 12, 25},
                        vocabularies[] = {301, 50257, 1, 4096, 17, 320, 50257};
  struct block *b = block_open("sequencer", segments);
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
    for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall++) {
      uint64_t rng = 1 + i * BLOCK_STALLS + stall;
      const uint32_t ctx = i == 0   ? 64
                           : i == 1 ? 100
                                    : 1024,
                     vocab = vocabularies[i], layers = (uint32_t)rng_range(&rng, 1, 4);
      const struct image_header h = layout(segments, layers, heads[i], ctx, vocab, (i + stall) % 2);
      // The edges of groups, tiles and side beats, and some at random.
      const uint32_t edges[] =
          {0,   1,   segments - 1, segments, 16 * segments - 1, 16 * segments, 63, 64,
           255, 256, 1023,         ctx - 1};
      enum { EDGES = sizeof edges / sizeof *edges };
      struct token tokens[MAX_STEPS];
      for (uint32_t t = 0; t < MAX_STEPS; t++) {
        tokens[t] = (struct token){
            .id = (uint32_t)rng_range(&rng, 0, vocab - 1),
            .head = rng_chance(&rng, 50),
            .position =
                t < EDGES && edges[t] < ctx ? edges[t] : (uint32_t)rng_range(&rng, 0, ctx - 1),
        };
        if (t % 4 == 0) tokens[t].id = t % 8 ? vocab - 1 : 0;
      }
      run(b, &h, tokens, MAX_STEPS, stall);
    }
  }
  // gpt2-xl's 48 layers: the largest addresses
  const struct image_header xl = layout(segments, 48, 25, 1024, 50257, true);
  run(b, &xl, &(struct token){.id = 50256, .position = 1023, .head = true}, 1, BLOCK_PLAIN);
  block_close(b);
}

int main(void) { return block_test_segments(check, 64); }
