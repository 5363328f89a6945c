// SPDX-License-Identifier: Apache-2.0
//
// The driver (driver/gpt2hw.h): what it refuses, on registers played here; and all of its runs on
// the Verilated gpt2_axi with memory on AXI4, whose ids must be golden's
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axi_bus.h"
#include "block.h"
#include "controller.h"
#include "gpt2_csr.h"
#include "gpt2hw.h"
#include "recording.h"

enum { LANES = 64, MAX_IDS = 256 };

// ---- played registers -----------------------------------------------------------------------

// Registers that keep what is written, and a memory of `bytes` bytes from address 0.
struct played {
  uint32_t registers[sizeof(gpt2_csr_t) / 4];
  uint8_t *memory;
  uint64_t bytes;
};

static uint32_t played_read(void *ctx, uint32_t offset) {
  const struct played *p = ctx;
  return p->registers[offset / 4];
}
static void played_write(void *ctx, uint32_t offset, uint32_t value) {
  struct played *p = ctx;
  p->registers[offset / 4] = value;
}
static int played_memory(void *ctx, uint64_t address, const void *bytes, size_t n) {
  struct played *p = ctx;
  if (address > p->bytes || p->bytes - address < n) return -1;
  memcpy(p->memory + address, bytes, n);
  return 0;
}

#define SET(p, name, value) ((p)->registers[offsetof(gpt2_csr_t, name) / 4] = (value))
#define GET(p, name) ((p)->registers[offsetof(gpt2_csr_t, name) / 4])

static struct gpt2hw_host play(struct played *p, uint32_t ports) {
  SET(p, ID, GPT2_CSR__ID__MAGIC_reset);
  SET(p, ENGINE, LANES);
  SET(p, LIMITS, 12u | 64u << GPT2_CSR__LIMITS__MAX_CTX_bp | 64u << GPT2_CSR__LIMITS__MAX_TOP_K_bp);
  SET(p, MEMORY, ports | 1u << GPT2_CSR__MEMORY__IMAGE_VERSION_bp);
  return (struct gpt2hw_host){p, played_read, played_write, played_memory, NULL};
}

// A whole image file, as the driver gets it. To be freed.
static uint8_t *file_of(const struct image *image, size_t *n) {
  *n = IMAGE_HEADER_BYTES + image->header.n_beats * image->header.lanes;
  uint8_t *file = malloc(*n);
  assert_non_null(file);
  memcpy(file, &image->header, IMAGE_HEADER_BYTES);
  memcpy(file + IMAGE_HEADER_BYTES, image->beats, *n - IMAGE_HEADER_BYTES);
  return file;
}

static void finds_the_hardware(void **state) {
  (void)state;
  struct played p = {0};
  struct gpt2hw dev;
  const struct gpt2hw_host host = play(&p, 1);
  assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OK);
  assert_int_equal(dev.can.lanes, LANES);
  assert_int_equal(dev.can.max_heads, 12);
  assert_int_equal(dev.can.positions, 1);
  assert_int_equal(dev.can.engines, 1);
  SET(&p, BATCH, 8 | 2 << GPT2_CSR__BATCH__ENGINES_bp);
  assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OK);
  assert_int_equal(dev.can.positions, 1);  // version 0.0 has no such register
  SET(&p, VERSION, 2u << GPT2_CSR__VERSION__MINOR_bp);
  assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OK);
  assert_int_equal(dev.can.positions, 8);
  assert_int_equal(dev.can.engines, 2);
  assert_int_equal(dev.can.prompts, 1);  // version 0.2 has no MORE_PROMPTS
  SET(&p, VERSION, 3u << GPT2_CSR__VERSION__MINOR_bp);
  assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OK);
  assert_int_equal(dev.can.prompts, 8192);
  SET(&p, STATUS, GPT2_CSR__STATUS__OVERFLOW_bm);
  assert_int_equal(gpt2hw_poll(&dev).error, GPT2HW_OVERFLOW);
  SET(&p, VERSION, 1u << GPT2_CSR__VERSION__MAJOR_bp);
  assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OTHER_VERSION);
  SET(&p, ID, UINT32_MAX);
  assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_NOT_FOUND);
}

// Each field of the header, with a value that it must not have.
static void refuses_damaged_headers(void **state) {
  (void)state;
  struct image image;
  struct played p = {0};
  struct gpt2hw dev;
  struct gpt2hw_model model;
  open_random(&image, "nano", 1, LANES);
  const struct gpt2hw_host host = play(&p, 1);
  assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OK);
  assert_int_equal(gpt2hw_parse(&dev, &image.header, &model), GPT2HW_OK);
  assert_int_equal(model.n_layer, image.header.n_layer);
  assert_int_equal(model.n_vocab, image.header.vocab_size);
  assert_int_equal(model.n_beats, image.header.n_beats);
  assert_int_equal(gpt2hw_image_bytes(&dev, &model), image.header.n_beats * LANES);
  assert_int_equal(gpt2hw_kv_bytes(&dev, &model), (uint64_t)image.header.n_layer *
                                                      image.header.n_head * image.header.kv_stride *
                                                      LANES);
  dev.can.positions = 8;
  assert_int_equal(gpt2hw_kv_bytes(&dev, &model) % 8, 0);
  const uint64_t one = gpt2hw_kv_bytes(&dev, &model);
  dev.can.prompts = 2;
  assert_int_equal(gpt2hw_kv_bytes(&dev, &model), 8 * one);
  dev.can.prompts = dev.can.positions = 1;
#define BAD(field, value, want)                                                       \
  do {                                                                                \
    struct image_header h = image.header;                                             \
    h.field = value;                                                                  \
    if (gpt2hw_parse(&dev, &h, &model) != (want)) fail_msg("%s: not " #want, #field); \
  } while (0)
  BAD(magic, h.magic + 1, GPT2HW_NO_IMAGE);
  BAD(version, 2, GPT2HW_IMAGE_VERSION);
  BAD(lanes, 128, GPT2HW_IMAGE_LANES);
  BAD(n_head, 13, GPT2HW_IMAGE_HEADS);
  BAD(n_ctx, 65, GPT2HW_IMAGE_CONTEXT);
  BAD(n_head, 0, GPT2HW_IMAGE_FIELD);
  BAD(n_head, 1, GPT2HW_IMAGE_FIELD);
  BAD(n_layer, 0, GPT2HW_IMAGE_FIELD);
  BAD(n_layer, 256, GPT2HW_IMAGE_FIELD);
  BAD(n_layer, h.n_layer + 1, GPT2HW_IMAGE_FIELD);
  BAD(n_embd, 64, GPT2HW_IMAGE_FIELD);
  BAD(n_ctx, 1, GPT2HW_IMAGE_FIELD);
  BAD(n_ctx, 32, GPT2HW_IMAGE_FIELD);
  BAD(vocab_size, 0, GPT2HW_IMAGE_FIELD);
  BAD(vocab_size, 1u << 17, GPT2HW_IMAGE_FIELD);
  BAD(vocab_size, h.vocab_size + 1, GPT2HW_IMAGE_FIELD);
  BAD(tied, 2, GPT2HW_IMAGE_FIELD);
  BAD(tied, !h.tied, GPT2HW_IMAGE_FIELD);
  BAD(inv_width, h.inv_width + 1, GPT2HW_IMAGE_FIELD);
  BAD(eps_term, 65535, GPT2HW_IMAGE_FIELD);
  BAD(eps_term, UINT64_C(1) << 48, GPT2HW_IMAGE_FIELD);
  BAD(wpe_base, 1, GPT2HW_IMAGE_FIELD);
  BAD(wte_base, h.wte_base + 1, GPT2HW_IMAGE_FIELD);
  BAD(stream_base, h.stream_base + 1, GPT2HW_IMAGE_FIELD);
  BAD(head_base, h.head_base - 1, GPT2HW_IMAGE_FIELD);
  BAD(n_beats, h.n_beats - 1, GPT2HW_IMAGE_FIELD);
  BAD(kv_base, h.kv_base + 1, GPT2HW_IMAGE_FIELD);
  BAD(kv_v_off, h.kv_v_off + 1, GPT2HW_IMAGE_FIELD);
  BAD(kv_stride, h.kv_stride - 1, GPT2HW_IMAGE_FIELD);
  image_close(&image);
}

// The layout that the driver expects is the one that model/image/ gives, for each lanes and for
// shapes with and without a tied head.
static void knows_every_layout(void **state) {
  (void)state;
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2) {
    for (uint32_t i = 0; i < 64; i++) {
      struct image_header h = {.lanes = lanes,
                               .n_layer = 1 + i % 13,
                               .n_head = 1 + i % 25,
                               .n_ctx = 2 + i * 16,
                               .vocab_size = 1 + i * 1000,
                               .tied = i & 1,
                               .layer_norm_epsilon = 1e-5f};
      struct played p = {0};
      struct gpt2hw dev;
      struct gpt2hw_model model;
      struct err err;
      const struct gpt2hw_host host = play(&p, 1);
      SET(&p, ENGINE, lanes);
      SET(&p, LIMITS, 25u | 1024u << GPT2_CSR__LIMITS__MAX_CTX_bp);
      assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OK);
      if (image_layout(&h, &err)) fail_msg("%s", err.text);
      const enum gpt2hw_error error = gpt2hw_parse(&dev, &h, &model);
      if (error) fail_msg("%u lanes, shape %u: %s", lanes, i, gpt2hw_error_text(error));
    }
  }
}

static void refuses_bad_places(void **state) {
  (void)state;
  struct image image;
  struct played p = {0};
  struct gpt2hw dev;
  open_random(&image, "nano", 1, LANES);
  for (uint32_t ports = 1; ports <= 4; ports *= 4) {
    const struct gpt2hw_host host = play(&p, ports);
    assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OK);
    struct gpt2hw_model m;
    assert_int_equal(gpt2hw_parse(&dev, &image.header, &m), GPT2HW_OK);
    const uint64_t bytes = gpt2hw_image_bytes(&dev, &m), kv = gpt2hw_kv_bytes(&dev, &m);
    const uint64_t pages = (bytes + 4095) & ~UINT64_C(4095),
                   both = pages + ((kv + 4095) & ~UINT64_C(4095));
    const struct gpt2hw_place good = {0x100000, 0x100000 + pages, both};
#define PLACE(field, value, want)                                       \
  do {                                                                  \
    struct gpt2hw_place place = good;                                   \
    place.field = value;                                                \
    assert_int_equal(gpt2hw_attach(&dev, &place, &image.header), want); \
    assert_int_equal(dev.loaded, (want) == GPT2HW_OK);                  \
  } while (0)
    PLACE(image_base, 0x100000, GPT2HW_OK);
    PLACE(image_base, 0x100040, GPT2HW_ALIGNMENT);
    PLACE(kv_base, good.kv_base + 64, GPT2HW_ALIGNMENT);
    PLACE(stripe_stride, both + 64, ports > 1 ? GPT2HW_ALIGNMENT : GPT2HW_OK);
    PLACE(kv_base, good.kv_base - 4096, GPT2HW_OVERLAP);
    PLACE(kv_base, good.image_base, GPT2HW_OVERLAP);
    PLACE(stripe_stride, both - 4096, ports > 1 ? GPT2HW_OVERLAP : GPT2HW_OK);
    PLACE(stripe_stride, UINT64_C(1) << 63, ports > 1 ? GPT2HW_OVERLAP : GPT2HW_OK);
    PLACE(kv_base, -UINT64_C(4096), GPT2HW_OVERLAP);
    PLACE(image_base, UINT64_C(0x8000000000), GPT2HW_OK);
  }
  SET(&p, STATUS, GPT2_CSR__STATUS__BUSY_bm);
  const struct gpt2hw_place place = {0, 0x1000000, 0x10000000};
  assert_int_equal(gpt2hw_attach(&dev, &place, &image.header), GPT2HW_BUSY);
  image_close(&image);
}

// The image lies in memory stripe by stripe, whatever pieces it comes in; a wrong byte is noticed.
static void loads_in_any_pieces(void **state) {
  (void)state;
  struct image image;
  uint64_t rng = 11;
  size_t n;
  open_random(&image, "nano", 1, LANES);
  uint8_t *file = file_of(&image, &n);
  struct played p = {.bytes = 4 << 20};
  p.memory = malloc(p.bytes);
  assert_non_null(p.memory);
  for (uint32_t ports = 1; ports <= 8; ports *= 2) {
    const struct gpt2hw_host host = play(&p, ports);
    const struct gpt2hw_place place = {0x1000, 0x80000 + 0x1000, 0x81000 + 0x7000};
    const uint32_t width = LANES / ports;
    struct gpt2hw dev;
    assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OK);
    memset(p.memory, 0x77, p.bytes);
    assert_int_equal(gpt2hw_load_begin(&dev, &place, file), GPT2HW_OK);
    assert_false(dev.loaded);
    for (size_t at = IMAGE_HEADER_BYTES; at < n;) {
      const size_t left = n - at,
                   piece = (size_t)rng_range(&rng, 0, left < 3000 ? (int64_t)left : 3000);
      assert_int_equal(gpt2hw_load_end(&dev), GPT2HW_IMAGE_SIZE);
      assert_int_equal(gpt2hw_load_bytes(&dev, file + at, piece), GPT2HW_OK);
      at += piece;
    }
    assert_int_equal(gpt2hw_load_bytes(&dev, file, 1), GPT2HW_IMAGE_SIZE);
    assert_int_equal(gpt2hw_load_end(&dev), GPT2HW_OK);
    assert_true(dev.loaded);
    for (uint64_t i = 0; i < image.header.n_beats * LANES; i++) {
      const uint64_t stripe = i % LANES / width;
      const uint64_t address =
          0x1000 + stripe * place.stripe_stride + i / LANES * width + i % width;
      if (p.memory[address] != image.beats[i]) fail_msg("byte %u of %u ports", (unsigned)i, ports);
    }
    assert_int_equal(p.memory[0xfff], 0x77);
    assert_int_equal(GET(&p, KV_BASE_LOW), place.kv_base);
    assert_int_equal(GET(&p, N_VOCAB), image.header.vocab_size);

    assert_int_equal(gpt2hw_load(&dev, &place, file, n), GPT2HW_OK);
    assert_int_equal(gpt2hw_load(&dev, &place, file, n - 1), GPT2HW_IMAGE_SIZE);
    assert_false(dev.loaded);
    assert_int_equal(gpt2hw_load(&dev, &place, file, 100), GPT2HW_NO_IMAGE);
    file[n - 1] ^= 1;
    assert_int_equal(gpt2hw_load(&dev, &place, file, n), GPT2HW_CHECKSUM);
    assert_false(dev.loaded);
    file[n - 1] ^= 1;
    file[4095] ^= 1;  // in the header, which no field is
    assert_int_equal(gpt2hw_load(&dev, &place, file, n), GPT2HW_CHECKSUM);
    file[4095] ^= 1;
    p.bytes = 0x2000;
    assert_int_equal(gpt2hw_load(&dev, &place, file, n), GPT2HW_MEMORY);
    p.bytes = 4 << 20;
  }
  free(p.memory);
  free(file);
  image_close(&image);
}

// Bytes are taken only between a begin that succeeded and its end. A host without memory_write,
// which can only attach images, gets an error.
static void loads_only_after_begin(void **state) {
  (void)state;
  struct image image;
  size_t n;
  open_random(&image, "nano", 1, LANES);
  uint8_t *file = file_of(&image, &n);
  struct played p = {.bytes = 4 << 20};
  p.memory = malloc(p.bytes);
  assert_non_null(p.memory);
  struct gpt2hw_host host = play(&p, 1);
  const struct gpt2hw_place place = {0x1000, 0x100000, 0}, misplaced = {1, 0x100000, 0};
  struct gpt2hw dev;
  assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OK);
  assert_int_equal(gpt2hw_load_bytes(&dev, file, 1), GPT2HW_NOT_BEGUN);
  assert_int_equal(gpt2hw_load_end(&dev), GPT2HW_NOT_BEGUN);
  assert_int_equal(gpt2hw_load(&dev, &place, file, n), GPT2HW_OK);
  assert_int_equal(gpt2hw_load_bytes(&dev, file, 0), GPT2HW_NOT_BEGUN);
  assert_int_equal(gpt2hw_load_end(&dev), GPT2HW_NOT_BEGUN);
  assert_true(dev.loaded);
  assert_int_equal(gpt2hw_load_begin(&dev, &place, file), GPT2HW_OK);
  assert_int_equal(gpt2hw_load_begin(&dev, &misplaced, file), GPT2HW_ALIGNMENT);
  assert_int_equal(gpt2hw_load_bytes(&dev, file, 1), GPT2HW_NOT_BEGUN);
  p.bytes = 0x2000;
  assert_int_equal(gpt2hw_load(&dev, &place, file, n), GPT2HW_MEMORY);
  assert_int_equal(gpt2hw_load_bytes(&dev, file, 1), GPT2HW_NOT_BEGUN);

  host.memory_write = NULL;
  assert_int_equal(gpt2hw_open(&dev, &host), GPT2HW_OK);
  assert_int_equal(gpt2hw_attach(&dev, &place, file), GPT2HW_OK);
  assert_int_equal(gpt2hw_load_begin(&dev, &place, file), GPT2HW_MEMORY);
  assert_int_equal(gpt2hw_load_bytes(&dev, file + IMAGE_HEADER_BYTES, 64), GPT2HW_NOT_BEGUN);
  assert_int_equal(gpt2hw_load_end(&dev), GPT2HW_NOT_BEGUN);
  assert_false(dev.loaded);
  assert_int_equal(gpt2hw_load(&dev, &place, file, n), GPT2HW_MEMORY);
  free(p.memory);
  free(file);
  image_close(&image);
}

static void counts_like_golden(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 1000; seed++)
    assert_true(gpt2hw_seed(seed * seed * seed) == sampling_seed(seed * seed * seed));
  for (uint32_t t = 10; t <= 100000; t++) {
    if (gpt2hw_inv_t(t) != sampling_inv_t(t / 1000.0))
      fail_msg("temperature %u / 1000: %u, expected %u", t, gpt2hw_inv_t(t),
               sampling_inv_t(t / 1000.0));
  }
  assert_int_equal(gpt2hw_inv_t(9), 0);
  // The hardware's causes have its codes; each error has its own sentence.
  assert_int_equal(GPT2HW_ABORTED, PKG_ERR_ABORTED);
  assert_int_equal(GPT2HW_SEED, PKG_ERR_SEED);
  assert_int_equal(GPT2HW_TIMEOUT, PKG_ERR_TIMEOUT);
  assert_int_equal(GPT2HW_TIMEOUT + 1, PKG_ERR_COUNT);
  for (int a = 0; a <= GPT2HW_NOT_BEGUN; a++) {
    const char *text = gpt2hw_error_text((enum gpt2hw_error)a);
    assert_int_equal(!strcmp(text, "unknown error"), a > GPT2HW_TIMEOUT && a < GPT2HW_NOT_FOUND);
    for (int b = 0; b < a && a <= GPT2HW_TIMEOUT; b++)
      assert_string_not_equal(text, gpt2hw_error_text((enum gpt2hw_error)b));
  }
}

// ---- the hardware ---------------------------------------------------------------------------

struct shape {
  const char *name;
  uint32_t lanes;
  struct axi_ports ports;
  uint32_t positions;
  const char *parameters;
};
#define PARAMETERS "-MaxHeads.2-MaxCtx.64-NormWidth.4"
// A port for the beat; one that gathers; two stripes, each of which is gathered; several sequences.
static const struct shape shapes[] =
    {{"64_lanes_1x512", 64, {1, 512}, 1, PARAMETERS},
     {"64_lanes_1x128", 64, {1, 128}, 1, PARAMETERS},
     {"128_lanes_2x256", 128, {2, 256}, 1, PARAMETERS},
     {"64_lanes_2x128_positions_4", 64, {2, 128}, 4, PARAMETERS "-Positions.4-Engines.2"}};

struct ids {
  uint32_t id[MAX_IDS];
  size_t n, stop_at;  // stop_at: so many end the run; 0: none
};
static int take_id(void *ctx, uint32_t id) {
  struct ids *ids = ctx;
  assert_true(ids->n < MAX_IDS);
  ids->id[ids->n++] = id;
  return ids->n == ids->stop_at;
}

struct bench {
  const struct shape *shape;
  struct axi_bus *bus;
  struct gpt2hw dev;
  struct image image[2];
  struct gpt2hw_place place[2];
};

static const struct sim_memory plain = {.latency = 20, .beats = 1, .seed = 1};
static const struct sim_memory slow = {.latency = 70, .beats = 0.6, .stall = 0.4, .seed = 3};

static void expect_alive(struct bench *t) {
  struct err err;
  if (axi_bus_failed(t->bus, &err)) fail_msg("%s", err.text);
}

// Loads model i where it belongs.
static void load(struct bench *t, int i) {
  size_t n;
  uint8_t *file = file_of(&t->image[i], &n);
  assert_int_equal(gpt2hw_load(&t->dev, &t->place[i], file, n), GPT2HW_OK);
  free(file);
}

// Two models in one memory, far from each other; nothing else is there. The cache holds garbage.
static struct bench open_bench(const struct shape *shape, const struct sim_memory *memory) {
  struct bench t = {.shape = shape};
  struct err err;
  if (axi_bus_open(&t.bus, shape->lanes, shape->ports, shape->parameters, memory, SIM_CHECK, &err))
    fail_msg("%s", err.text);
  const struct gpt2hw_host host = axi_bus_host(t.bus);
  assert_int_equal(gpt2hw_open(&t.dev, &host), GPT2HW_OK);
  assert_int_equal(t.dev.can.lanes, shape->lanes);
  assert_int_equal(t.dev.can.positions, shape->positions);
  assert_int_equal(t.dev.can.prompts, shape->positions > 1 ? 8192 : 1);
  assert_int_equal(t.dev.can.ports, shape->ports.ports);
  assert_int_equal(t.dev.can.port_bits, shape->ports.bits);
  for (int i = 0; i < 2; i++) {
    open_random(&t.image[i], "nano", (uint64_t)i + 1, shape->lanes);
    t.place[i] = (struct gpt2hw_place){i ? UINT64_C(0x7654321000) : 0x40000000,
                                       i ? UINT64_C(0xfedcba9876000000) : 0x20000000, 0x1000000};
    struct gpt2hw_model model;
    assert_int_equal(gpt2hw_parse(&t.dev, &t.image[i].header, &model), GPT2HW_OK);
    const uint64_t image_bytes = gpt2hw_image_bytes(&t.dev, &model);
    const uint64_t kv_bytes = gpt2hw_kv_bytes(&t.dev, &model);
    for (uint32_t p = 0; p < shape->ports.ports; p++) {
      const uint64_t kv = t.place[i].kv_base + p * t.place[i].stripe_stride;
      if (axi_bus_map(t.bus, t.place[i].image_base + p * t.place[i].stripe_stride, image_bytes,
                      &err) ||
          axi_bus_map(t.bus, kv, kv_bytes, &err))
        fail_msg("%s", err.text);
      memset(axi_bus_at(t.bus, kv), 0xa5, kv_bytes);
    }
  }
  load(&t, 0);
  return t;
}

static void close_bench(struct bench *t) {
  expect_alive(t);
  // The hardware has written to the cache alone.
  for (int i = 0; i < 2; i++) {
    const uint32_t width = t->shape->lanes / t->shape->ports.ports;
    for (uint64_t at = 0;
         *axi_bus_at(t->bus, t->place[i].image_base) && at < t->image[i].header.n_beats; at++)
      for (uint32_t p = 0; p < t->shape->ports.ports; p++)
        assert_memory_equal(axi_bus_at(t->bus, t->place[i].image_base +
                                                   p * t->place[i].stripe_stride + at * width),
                            t->image[i].beats + at * t->shape->lanes + p * width, width);
    image_close(&t->image[i]);
  }
  axi_bus_close(t->bus);
}

static const uint32_t prompt[] = {3, 300, 1, 77, 77};
enum { PROMPT = sizeof prompt / sizeof *prompt };

static struct gpt2hw_run run_of(uint32_t max_new, uint64_t seed) {
  return (struct gpt2hw_run){.max_new = max_new,
                             .top_k = seed ? 40 : 1,
                             .inv_t = gpt2hw_inv_t(1000),
                             .seed = gpt2hw_seed(seed)};
}

static void golden_of(struct ids *ids, const struct image *image, const struct gpt2hw_run *run,
                      const uint32_t *from, size_t n) {
  struct gpt2_core core;
  struct err err;
  const struct controller_run r = {.prompt = from,
                                   .n_prompt = n,
                                   .max_new = run->max_new,
                                   .stop_enabled = run->stop_enabled,
                                   .stop_id = run->stop_id,
                                   .sampling = {.top_k = run->top_k,
                                                .inv_t = run->inv_t,
                                                .state = run->seed},
                                   .ctx = ids,
                                   .token = take_id};
  ids->n = ids->stop_at = 0;
  if (gpt2_core_create(&core, image, &err) || controller_run_golden(&r, &core, &err))
    fail_msg("%s", err.text);
  gpt2_core_destroy(&core);
}

static void golden(struct ids *ids, const struct image *image, const struct gpt2hw_run *run) {
  golden_of(ids, image, run, prompt, PROMPT);
}

static void expect_ids(const struct ids *found, const struct ids *want, size_t n) {
  assert_int_equal(found->n, n);
  for (size_t i = 0; i < n; i++)
    if (found->id[i] != want->id[i])
      fail_msg("id %zu is %u, golden's is %u", i, found->id[i], want->id[i]);
}

// A run that nothing disturbs.
static void expect_golden(struct bench *t, int i, const struct gpt2hw_run *run) {
  struct ids want, found = {0};
  golden(&want, &t->image[i], run);
  const enum gpt2hw_error error = gpt2hw_generate(&t->dev, run, prompt, PROMPT, take_id, &found);
  expect_alive(t);
  if (error) fail_msg("%s", gpt2hw_error_text(error));
  expect_ids(&found, &want, want.n);
  assert_int_equal(axi_bus_count(t->bus).outstanding, 0);
}

// Greedy and drawn text past a crop of the context of 64, a stop id, no id at all; two kinds of
// memory.
static void text(void **state) {
  for (int slowly = 0; slowly < 2; slowly++) {
    struct bench t = open_bench(*state, slowly ? &slow : &plain);
    struct gpt2hw_run run = run_of(66, 5);
    expect_golden(&t, 0, &run);
    uint64_t sum = 0;
    for (uint32_t phase = 0; phase < 11; phase++)
      for (uint32_t what = 0; what < 10; what++) sum += gpt2hw_count(&t.dev, phase, what);
    assert_int_equal(sum, gpt2hw_cycles(&t.dev));
    assert_int_equal(gpt2hw_count(&t.dev, 11, 0), 0);
    print_message("%s, latency %u, stall %.1f: %u ids in %u cycles\n", t.shape->name,
                  slowly ? slow.latency : plain.latency, slowly ? slow.stall : plain.stall, 66,
                  (unsigned)gpt2hw_cycles(&t.dev));
    run = run_of(20, 0);
    expect_golden(&t, 0, &run);
    struct ids want;
    golden(&want, &t.image[0], &run);
    run.stop_enabled = true;
    run.stop_id = want.id[3];
    expect_golden(&t, 0, &run);
    run = run_of(0, 0);
    expect_golden(&t, 0, &run);
    close_bench(&t);
  }
}

// Each model has its own place, image and cache; what the first left in the registers does not
// matter to the second.
static void two_models(void **state) {
  struct bench t = open_bench(*state, &plain);
  const struct gpt2hw_run run = run_of(20, 9);
  struct ids first, second;
  golden(&first, &t.image[0], &run);
  golden(&second, &t.image[1], &run);
  assert_memory_not_equal(first.id, second.id, sizeof *first.id * 20);
  expect_golden(&t, 0, &run);
  load(&t, 1);
  expect_golden(&t, 1, &run);
  // Back to the first, which lies in memory already.
  assert_int_equal(gpt2hw_attach(&t.dev, &t.place[0], &t.image[0].header), GPT2HW_OK);
  expect_golden(&t, 0, &run);
  close_bench(&t);
}

// An image in stripes as gpt2rtl compile writes it, copied into memory by others.
static void attaches_stripes(void **state) {
  struct bench t = open_bench(*state, &plain);
  const uint32_t ports = t.shape->ports.ports;
  static uint8_t file[1 << 20];
  char command[256];
  snprintf(command, sizeof command,
           "build/gpt2rtl compile --model build/models/nano-1 --lanes %u --stripes %u --output "
           "build/test/stripes.image",
           t.shape->lanes, ports);
  if (system(command)) fail_msg("%s", command);
  FILE *f = fopen("build/test/stripes.image", "rb");
  assert_non_null(f);
  const size_t n = fread(file, 1, sizeof file, f);
  fclose(f);
  const uint64_t pages = (n - IMAGE_HEADER_BYTES) / ports;
  assert_int_equal((n - IMAGE_HEADER_BYTES) % ports | pages % 4096, 0);
  axi_bus_unmap(t.bus);
  const struct gpt2hw_place place = {0x5000, 0x5000 + ports * pages, pages};
  struct err err;
  if (axi_bus_map(t.bus, 0x5000, 3 * ports * pages, &err)) fail_msg("%s", err.text);
  memcpy(axi_bus_at(t.bus, 0x5000), file + IMAGE_HEADER_BYTES, n - IMAGE_HEADER_BYTES);
  assert_int_equal(gpt2hw_load(&t.dev, &place, file, n), GPT2HW_IMAGE_STRIPES);
  assert_int_equal(gpt2hw_attach(&t.dev, &place, file), GPT2HW_OK);
  const struct gpt2hw_run run = run_of(5, 9);
  expect_golden(&t, 0, &run);
  ((struct image_header *)file)->stripes = 2 * ports;
  assert_int_equal(gpt2hw_attach(&t.dev, &place, file), GPT2HW_IMAGE_STRIPES);
  expect_alive(&t);
  image_close(&t.image[0]);
  image_close(&t.image[1]);
  axi_bus_close(t.bus);
}

// on_token ends the run; at each of some ids.
static void aborts(void **state) {
  struct bench t = open_bench(*state, &slow);
  const struct gpt2hw_run run = run_of(40, 7), again = run_of(5, 7);
  struct ids want;
  golden(&want, &t.image[0], &run);
  for (size_t n = 1; n < 30; n += 9) {
    struct ids found = {.stop_at = n};
    assert_int_equal(gpt2hw_generate(&t.dev, &run, prompt, PROMPT, take_id, &found),
                     GPT2HW_ABORTED);
    expect_ids(&found, &want, n);
    const struct gpt2hw_state after = gpt2hw_poll(&t.dev);
    assert_false(after.busy);
    assert_true(after.done);
    assert_int_equal(after.error, GPT2HW_ABORTED);
    assert_int_equal(axi_bus_count(t.bus).outstanding, 0);
  }
  expect_golden(&t, 0, &again);
  close_bench(&t);
}

// The memory refuses a transfer in the middle of a run, of each kind and with each response.
static void memory_errors(void **state) {
  struct bench t = open_bench(*state, &plain);
  const struct gpt2hw_run run = run_of(40, 7);
  struct ids want;
  golden(&want, &t.image[0], &run);
  for (int i = 0; i < 4; i++) {
    const bool write = i & 1, decerr = i & 2;
    struct ids found = {0};
    axi_bus_refuse(t.bus, write, write ? 700 : 30000, decerr ? 3 : 2);
    assert_int_equal(gpt2hw_generate(&t.dev, &run, prompt, PROMPT, take_id, &found),
                     write ? GPT2HW_WRITE : GPT2HW_READ);
    assert_true(found.n < 40);
    expect_ids(&found, &want, found.n);
    const struct gpt2hw_fault fault = gpt2hw_fault(&t.dev);
    assert_true(fault.valid);
    assert_int_equal(fault.write, write);
    assert_int_equal(fault.decerr, decerr);
    assert_true(fault.port < t.shape->ports.ports);
    assert_int_equal(gpt2hw_interrupts(&t.dev) & (GPT2HW_INT_DONE | GPT2HW_INT_ERROR),
                     GPT2HW_INT_DONE | GPT2HW_INT_ERROR);
    gpt2hw_interrupt_clear(&t.dev, GPT2HW_INT_DONE | GPT2HW_INT_ERROR);
    const struct gpt2hw_run again = run_of(5, 3);
    expect_golden(&t, 0, &again);
    assert_false(gpt2hw_fault(&t.dev).valid);
  }
  // Nothing is at the addresses: DECERR.
  const struct gpt2hw_place nowhere = {0x900000000, 0xa00000000, 0x1000000};
  struct ids found = {0};
  assert_int_equal(gpt2hw_attach(&t.dev, &nowhere, &t.image[0].header), GPT2HW_OK);
  assert_int_equal(gpt2hw_generate(&t.dev, &run, prompt, PROMPT, take_id, &found), GPT2HW_READ);
  assert_true(gpt2hw_fault(&t.dev).decerr);
  close_bench(&t);
}

// Both resets while reads are outstanding: the soft one waits for them, the other forgets them.
static void resets(void **state) {
  struct bench t = open_bench(*state, &slow);
  const struct gpt2hw_run run = run_of(6, 7);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(gpt2hw_start(&t.dev, &run), GPT2HW_OK);
    assert_int_equal(gpt2hw_feed(&t.dev, prompt, PROMPT, true), PROMPT);
    axi_bus_run(t.bus, 3000 + 977 * (unsigned)i);
    axi_bus_hold(t.bus, true);
    axi_bus_run(t.bus, 500);
    assert_true(axi_bus_count(t.bus).outstanding > 0);
    assert_true(gpt2hw_poll(&t.dev).busy);
    if (i & 1) {
      axi_bus_hold(t.bus, false);
      axi_bus_reset(t.bus);
      while (gpt2hw_poll(&t.dev).busy) continue;  // a few cycles
      load(&t, 0);                                // the registers are gone too
    } else {
      const struct gpt2hw_host host = t.dev.host;
      t.dev.host.write(host.ctx, offsetof(gpt2_csr_t, CONTROL), GPT2_CSR__CONTROL__SOFT_RESET_bm);
      for (int j = 0; j < 20; j++) assert_true(gpt2hw_poll(&t.dev).busy);  // drains
      axi_bus_hold(t.bus, false);
      assert_int_equal(gpt2hw_reset(&t.dev), GPT2HW_OK);
    }
    assert_int_equal(axi_bus_count(t.bus).outstanding, 0);
    const struct gpt2hw_state after = gpt2hw_poll(&t.dev);
    assert_false(after.busy || after.done || after.tokens);
    expect_golden(&t, 0, &run);
  }
  close_bench(&t);
}

static int never(void *ctx) {
  (void)ctx;
  return 1;
}

static void refusals(void **state) {
  struct bench t = open_bench(*state, &plain);
  static const uint32_t wrong[] = {1, 301}, large[] = {1u << 20};
  uint32_t many[65] = {0};
  struct gpt2hw_run run = run_of(3, 0);
  struct gpt2hw fresh;
  const struct gpt2hw_host host = axi_bus_host(t.bus);
  assert_int_equal(gpt2hw_open(&fresh, &host), GPT2HW_OK);
  assert_int_equal(gpt2hw_start(&fresh, &run), GPT2HW_NOT_LOADED);
  assert_int_equal(gpt2hw_generate(&t.dev, &run, wrong, 2, NULL, NULL), GPT2HW_PROMPT_ID);
  assert_int_equal(gpt2hw_generate(&t.dev, &run, large, 1, NULL, NULL), GPT2HW_PROMPT_ID);
  assert_int_equal(gpt2hw_generate(&t.dev, &run, many, 65, NULL, NULL), GPT2HW_PROMPT_LONG);
  assert_int_equal(gpt2hw_generate(&t.dev, &run, prompt, 0, NULL, NULL), GPT2HW_ARGUMENT);
  run.top_k = 65;
  assert_int_equal(gpt2hw_start(&t.dev, &run), GPT2HW_ARGUMENT);
  run.top_k = 0;
  assert_int_equal(gpt2hw_start(&t.dev, &run), GPT2HW_ARGUMENT);
  run = run_of(3, 0);
  run.inv_t = 1u << 24;
  assert_int_equal(gpt2hw_start(&t.dev, &run), GPT2HW_ARGUMENT);
  run = run_of(3, 0);
  run.seed = 0;
  assert_int_equal(gpt2hw_generate(&t.dev, &run, prompt, PROMPT, NULL, NULL), GPT2HW_SEED);
  run = run_of(3, 0);
  t.dev.host.idle = never;
  assert_int_equal(gpt2hw_generate(&t.dev, &run, prompt, PROMPT, NULL, NULL), GPT2HW_IDLE);
  t.dev.host.idle = host.idle;
  axi_bus_run(t.bus, 1000);
  assert_int_equal(gpt2hw_poll(&t.dev).error, GPT2HW_ABORTED);
  assert_int_equal(gpt2hw_start(&t.dev, &run), GPT2HW_OK);
  assert_int_equal(gpt2hw_start(&t.dev, &run), GPT2HW_BUSY);
  assert_int_equal(gpt2hw_attach(&t.dev, &t.place[0], &t.image[0].header), GPT2HW_BUSY);
  assert_int_equal(gpt2hw_reset(&t.dev), GPT2HW_OK);
  expect_golden(&t, 0, &run);
  close_bench(&t);
}

// The steps of docs/integration.md, "Bring-up", with what they promise to read; nothing of the
// driver.
#define REG(name) ((uint32_t)offsetof(gpt2_csr_t, name))
static uint32_t wait_done(const struct gpt2hw_host *host) {
  uint32_t status;
  do status = host->read(host->ctx, REG(STATUS));
  while (status & GPT2_CSR__STATUS__BUSY_bm);
  return status;
}
static void bring_up(void **state) {
  struct bench t = open_bench(*state, &plain);
  const struct gpt2hw_host host = axi_bus_host(t.bus);
  const struct image_header *h = &t.image[0].header;
  axi_bus_reset(t.bus);
  axi_bus_run(t.bus, 10);
#define READ(name) host.read(host.ctx, REG(name))
#define WRITE(name, value) host.write(host.ctx, REG(name), value)
  assert_int_equal(READ(ID), 0x32747067);
  assert_int_equal(READ(VERSION) >> 24, 0);
  assert_int_equal(READ(STATUS), 0);
  WRITE(SEED_LOW, 0x5a5a5a5a);
  assert_int_equal(READ(SEED_LOW), 0x5a5a5a5a);
  const uint64_t before = axi_bus_count(t.bus).bytes_read;
  WRITE(CONTROL, 1);
  assert_int_equal(wait_done(&host), 2 | 4 << 4);
  assert_int_equal(axi_bus_count(t.bus).bytes_read, before);
  WRITE(N_LAYER, h->n_layer);
  WRITE(N_HEAD, h->n_head);
  WRITE(N_CTX, h->n_ctx);
  WRITE(N_VOCAB, h->vocab_size);
  WRITE(INV_WIDTH, h->inv_width);
  WRITE(EPS_TERM_LOW, (uint32_t)h->eps_term);
  WRITE(EPS_TERM_HIGH, (uint32_t)(h->eps_term >> 32));
  WRITE(WPE_BEAT, (uint32_t)h->wpe_base);
  WRITE(WTE_BEAT, (uint32_t)h->wte_base);
  WRITE(STREAM_BEAT, (uint32_t)h->stream_base);
  WRITE(HEAD_BEAT, (uint32_t)h->head_base);
  WRITE(KV_STRIDE, h->kv_stride);
  WRITE(KV_V_OFF, h->kv_v_off);
  WRITE(MAX_NEW, 1);
  WRITE(STRIPE_STRIDE_LOW, (uint32_t)t.place[0].stripe_stride);
  WRITE(IMAGE_BASE_HIGH, 0x77);
  WRITE(CONTROL, 1);
  WRITE(PROMPT, prompt[0] | 1u << 31);
  assert_int_equal(wait_done(&host), 2 | 11 << 4);
  assert_int_equal(READ(FAULT) & 7, 5);
  WRITE(IMAGE_BASE_LOW, (uint32_t)t.place[0].image_base);
  WRITE(IMAGE_BASE_HIGH, (uint32_t)(t.place[0].image_base >> 32));
  WRITE(KV_BASE_LOW, (uint32_t)t.place[0].kv_base);
  WRITE(KV_BASE_HIGH, (uint32_t)(t.place[0].kv_base >> 32));
  WRITE(INT_ENABLE, 0xd);
  WRITE(CONTROL, 1);
  WRITE(PROMPT, prompt[0] | 1u << 31);
  assert_int_equal(wait_done(&host), 2);
  assert_true(axi_bus_irq(t.bus));
  assert_int_equal(READ(FAULT), 0);
  struct gpt2_core core;
  struct err err;
  struct ids want = {0};
  const struct controller_run run = {.prompt = prompt,
                                     .n_prompt = 1,
                                     .max_new = 1,
                                     .sampling = {.top_k = 1, .inv_t = 94548, .state = 1},
                                     .ctx = &want,
                                     .token = take_id};
  if (gpt2_core_create(&core, &t.image[0], &err) || controller_run_golden(&run, &core, &err))
    fail_msg("%s", err.text);
  gpt2_core_destroy(&core);
  assert_int_equal(READ(TOKEN), 1u << 31 | want.id[0]);
  assert_int_equal(READ(TOKEN) >> 31, 0);
  WRITE(COUNT_SELECT, 0xf1);
  assert_true(READ(COUNT_LOW) > 1000);
  close_bench(&t);
}

// A handler's way: nothing is polled, each event raises the interrupt.
static void interrupts(void **state) {
  struct bench t = open_bench(*state, &plain);
  const struct gpt2hw_run run = run_of(40, 5);
  struct ids want, found = {0};
  size_t fed = 0;
  golden(&want, &t.image[0], &run);
  gpt2hw_interrupt_enable(&t.dev, GPT2HW_INT_DONE | GPT2HW_INT_PROMPT | GPT2HW_INT_TOKEN);
  assert_false(axi_bus_irq(t.bus));
  assert_int_equal(gpt2hw_start(&t.dev, &run), GPT2HW_OK);
  for (bool done = false; !done;) {
    axi_bus_wait(t.bus, 1000000);
    expect_alive(&t);
    assert_true(axi_bus_irq(t.bus));
    const uint32_t events = gpt2hw_interrupts(&t.dev);
    if (events & GPT2HW_INT_PROMPT) fed += gpt2hw_feed(&t.dev, prompt + fed, PROMPT - fed, true);
    found.n += gpt2hw_take(&t.dev, found.id + found.n, MAX_IDS - found.n);
    done = events & GPT2HW_INT_DONE;
    gpt2hw_interrupt_clear(&t.dev, events);
  }
  assert_int_equal(gpt2hw_poll(&t.dev).error, GPT2HW_OK);
  expect_ids(&found, &want, want.n);
  gpt2hw_interrupt_clear(&t.dev, GPT2HW_INT_TOKEN);
  axi_bus_run(t.bus, 4);
  assert_false(axi_bus_irq(t.bus));
  close_bench(&t);
}

// Several prompts, more than places, each with its seed: longer ones than the FIFO, and texts past
// a crop; a stop id that ends them at different times.
enum { PROMPTS = 9 };
struct texts {
  struct ids found[PROMPTS];
  size_t n, stop_at;
  bool last[PROMPTS];
};
static int take_token(void *ctx, const struct gpt2hw_token *token) {
  struct texts *texts = ctx;
  assert_in_range(token->prompt, 0, PROMPTS - 1);
  assert_false(texts->last[token->prompt]);
  texts->last[token->prompt] = token->last;
  take_id(&texts->found[token->prompt], token->id);
  return ++texts->n == texts->stop_at;
}

static void make_prompts(struct gpt2hw_prompt prompts[PROMPTS], uint32_t ids[64 + PROMPTS]) {
  for (uint32_t i = 0; i < 64 + PROMPTS; i++) ids[i] = (i * 37 + 11) % 301;
  for (uint32_t i = 0; i < PROMPTS; i++)
    prompts[i] = (struct gpt2hw_prompt){&ids[i], 1 + (i * 29 + 6) % 64, gpt2hw_seed(i)};
}

// Those that the hardware has output of each are golden's; all of them, if it has ended them.
static void expect_texts(const struct texts *texts, const struct image *image,
                         const struct gpt2hw_run *run, const struct gpt2hw_prompt *prompts,
                         bool whole) {
  for (size_t i = 0; i < PROMPTS; i++) {
    struct gpt2hw_run one = *run;
    struct ids want;
    one.seed = prompts[i].seed;
    golden_of(&want, image, &one, prompts[i].ids, prompts[i].n);
    expect_ids(&texts->found[i], &want, whole || texts->last[i] ? want.n : texts->found[i].n);
    assert_int_equal(texts->last[i], run->max_new && texts->found[i].n == want.n);
  }
}

static void several(void **state) {
  static struct texts texts;
  struct gpt2hw_prompt prompts[PROMPTS];
  uint32_t ids[64 + PROMPTS];
  make_prompts(prompts, ids);
  struct bench t = open_bench(*state, &plain);
  const struct gpt2hw_run run = run_of(12, 1);
  if (t.shape->positions == 1) {
    assert_int_equal(gpt2hw_generate_many(&t.dev, &run, prompts, 2, take_token, &texts),
                     GPT2HW_ARGUMENT);
    close_bench(&t);
    return;
  }
  struct ids first;
  golden_of(&first, &t.image[0], &run, prompts[0].ids, prompts[0].n);
  const struct gpt2hw_run runs[] = {run, run_of(70, 1), run_of(0, 1), run};
  for (size_t i = 0; i < 4; i++) {
    struct gpt2hw_run r = runs[i];
    r.stop_enabled = i == 3;
    r.stop_id = first.id[2];
    memset(&texts, 0, sizeof texts);
    const enum gpt2hw_error error =
        gpt2hw_generate_many(&t.dev, &r, prompts, PROMPTS, take_token, &texts);
    expect_alive(&t);
    if (error) fail_msg("%s", gpt2hw_error_text(error));
    expect_texts(&texts, &t.image[0], &r, prompts, true);
  }
  // Aborted by the host in the middle; refused for a bad prompt or seed; then as ever.
  for (size_t i = 0; i < 4; i++) {
    struct gpt2hw_prompt bad[PROMPTS];
    memcpy(bad, prompts, sizeof bad);
    memset(&texts, 0, sizeof texts);
    texts.stop_at = i == 0 ? 20 : 0;
    if (i == 1) bad[5].seed = 0;
    if (i == 2) bad[6].n = 65;
    assert_int_equal(gpt2hw_generate_many(&t.dev, &run, bad, PROMPTS, take_token, &texts),
                     i == 0   ? GPT2HW_ABORTED
                     : i == 1 ? GPT2HW_SEED
                     : i == 2 ? GPT2HW_PROMPT_LONG
                              : GPT2HW_OK);
    expect_alive(&t);
    expect_texts(&texts, &t.image[0], &run, prompts, i == 3);
  }
  assert_int_equal(gpt2hw_generate_many(&t.dev, &run, prompts, 0, NULL, NULL), GPT2HW_ARGUMENT);
  assert_int_equal(gpt2hw_generate_many(&t.dev, &run, prompts, 8193, NULL, NULL), GPT2HW_ARGUMENT);
  struct gpt2hw_run most = run;
  most.more_prompts = 8192;
  assert_int_equal(gpt2hw_start(&t.dev, &most), GPT2HW_ARGUMENT);
  expect_golden(&t, 0, &run);
  close_bench(&t);
}

// The same in a handler's way: with nothing to do, no event is set.
static void several_interrupts(void **state) {
  static struct texts texts;
  struct gpt2hw_prompt prompts[PROMPTS];
  uint32_t ids[64 + PROMPTS];
  make_prompts(prompts, ids);
  memset(&texts, 0, sizeof texts);
  struct bench t = open_bench(*state, &slow);
  struct gpt2hw_run run = run_of(20, 1);
  size_t prompt_now = 0, fed = 0, wakes = 0;
  run.more_prompts = PROMPTS - 1;
  run.seed = prompts[0].seed;
  gpt2hw_interrupt_enable(&t.dev, GPT2HW_INT_DONE | GPT2HW_INT_PROMPT | GPT2HW_INT_TOKEN);
  assert_int_equal(gpt2hw_start(&t.dev, &run), GPT2HW_OK);
  for (bool done = false; !done; wakes++) {
    axi_bus_wait(t.bus, 1000000);
    expect_alive(&t);
    assert_true(axi_bus_irq(t.bus));
    const uint32_t events = gpt2hw_interrupts(&t.dev);
    if (events & GPT2HW_INT_PROMPT && prompt_now < PROMPTS && gpt2hw_poll(&t.dev).prompt_open) {
      const struct gpt2hw_prompt *p = &prompts[prompt_now];
      if (prompt_now && !fed) gpt2hw_next_seed(&t.dev, p->seed);
      fed += gpt2hw_feed(&t.dev, p->ids + fed, p->n - fed, true);
      if (fed == p->n) prompt_now++, fed = 0;
    }
    struct gpt2hw_token token;
    while (gpt2hw_take_tokens(&t.dev, &token, 1)) take_token(&texts, &token);
    done = events & GPT2HW_INT_DONE;
    gpt2hw_interrupt_clear(&t.dev, events);
  }
  assert_int_equal(gpt2hw_poll(&t.dev).error, GPT2HW_OK);
  assert_in_range(wakes, 1, 20 * PROMPTS + 4 * PROMPTS);
  expect_texts(&texts, &t.image[0], &run, prompts, true);
  close_bench(&t);
}

int main(void) {
#define SHAPES(test)                                                     \
  {#test "_64_lanes_1x512", test, NULL, NULL, (void *)&shapes[0]},       \
      {#test "_64_lanes_1x128", test, NULL, NULL, (void *)&shapes[1]}, { \
#test "_128_lanes_2x256", test, NULL, NULL, (void *)&shapes[2]       \
  }
#define SEVERAL(test) \
  { #test "_64_lanes_2x128_positions_4", test, NULL, NULL, (void *)&shapes[3] }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_the_hardware),
      cmocka_unit_test(refuses_damaged_headers),
      cmocka_unit_test(knows_every_layout),
      cmocka_unit_test(refuses_bad_places),
      cmocka_unit_test(loads_in_any_pieces),
      cmocka_unit_test(loads_only_after_begin),
      cmocka_unit_test(counts_like_golden),
      SHAPES(text),
      SHAPES(two_models),
      {"attaches_stripes", attaches_stripes, NULL, NULL, (void *)&shapes[2]},
      SHAPES(aborts),
      SHAPES(memory_errors),
      SHAPES(resets),
      SHAPES(bring_up),
      SHAPES(interrupts),
      SHAPES(refusals),
      SHAPES(several),
      SEVERAL(several),
      SEVERAL(several_interrupts),
      SEVERAL(aborts),
  };
  return cmocka_run_group_tests_name("driver", tests, NULL, NULL);
}
