// SPDX-License-Identifier: Apache-2.0
// The memory image: formats, layout, the weight compiler and its inverse, and what is refused.
#include "golden_test.h"
#include "random_model.h"

// ----------------------------------------------------------------------------------------- formats

static void test_scales(void **unused) {
  (void)unused;
  uint16_t scale;
  for (uint32_t i = 0; i <= UINT16_MAX; i++) {
    const double x = image_scale_value((uint16_t)i);
    assert_true(x == ldexp(scale_mantissa((uint16_t)i), scale_exponent((uint16_t)i) - SCALE_BIAS));
    assert_int_equal(image_scale(&scale, x), 0);
    assert_int_equal(scale, i);
    // the smallest that is not below
    assert_int_equal(image_scale(&scale, nextafter(x, 0)), 0);
    assert_int_equal(scale, i);
    assert_int_equal(image_scale(&scale, nextafter(x, 1e9)), i == UINT16_MAX ? -1 : 0);
    assert_int_equal(scale, i == UINT16_MAX ? 0 : i + 1);
  }
  assert_int_equal(image_scale(&scale, 0), 0);
  assert_int_equal(scale, 0);
  assert_int_equal(image_scale(&scale, (double)NAN), -1);
}

static void test_halfs(void **unused) {
  (void)unused;
  uint16_t half;
  for (uint32_t i = 0; i <= UINT16_MAX; i++) {
    const double x = image_half_value((uint16_t)i);
    assert_true(x == ldexp(half_significand((uint16_t)i), half_exponent((uint16_t)i) - 25));
    assert_int_equal(image_half(&half, x), 0);
    assert_int_equal(half, i == 0x8000 ? 0 : i);  // there is one zero
  }
  // to nearest, ties to even, also among the smallest and across a power of two
  for (uint32_t i = 0; i < INT16_MAX; i++) {
    const double middle = (image_half_value((uint16_t)i) + image_half_value((uint16_t)(i + 1))) / 2;
    image_half(&half, -middle);
    assert_int_equal(half, (i % 2 ? i + 1 : i) == 0 ? 0x8000 : 0x8000 | (i % 2 ? i + 1 : i));
    image_half(&half, nextafter(middle, 0));
    assert_int_equal(half, i);
    image_half(&half, nextafter(middle, 1e9));
    assert_int_equal(half, i + 1);
  }
  assert_int_equal(image_half(&half, 131008), 0);
  assert_int_equal(image_half(&half, -131072), -1);
  assert_int_equal(image_half(&half, (double)INFINITY), -1);
  assert_int_equal(image_half(&half, (double)NAN), -1);
}

// ------------------------------------------------------------------------ images made from nothing

static const struct shape {
  uint32_t layers, heads, ctx, vocabulary, tied;
} shapes[] = {{2, 2, 64, 301, 1}, {1, 1, 2, 1, 1}, {3, 5, 100, 77, 0}, {2, 3, 130, 1000, 1}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static struct image_header header_of(const struct shape *shape, uint32_t lanes) {
  struct image_header h = {.lanes = lanes,
                           .n_layer = shape->layers,
                           .n_head = shape->heads,
                           .n_ctx = shape->ctx,
                           .vocab_size = shape->vocabulary,
                           .tied = shape->tied,
                           .eos_id = shape->vocabulary - 1,
                           .layer_norm_epsilon = 1e-5f};
  struct err err;
  expect_success(image_layout(&h, &err), &err);
  return h;
}

// A half as the compiler writes it: zero has no sign.
static uint32_t a_half(uint32_t bits) { return bits == 0x8000 ? 0 : bits; }

// Random beats such as the compiler writes: each row reaches the last step of its scale, so that no
// other scale would do, zeros in all padding. Owned by the caller.
static uint8_t *random_beats(const struct image_header *h, uint64_t seed) {
  uint8_t *beats = calloc(h->n_beats, h->lanes);
  const uint32_t segments = h->lanes / 64;
  for (struct image_region r = {0}; image_next_region(&r, h);) {
    const bool biased = r.kind != IMAGE_WPE && r.kind != IMAGE_WTE && r.kind != IMAGE_HEAD;
    for (uint64_t i = 0; i < r.beats; i++) {
      const struct image_beat at = image_beat_at(&r, h->lanes, i);
      uint8_t *beat = beats + (r.base + i) * h->lanes;
      const uint32_t first = at.group * segments;
      for (uint32_t n = 0; at.side && n < 16 * segments; n++) {
        if (first + n < (image_is_norm(r.kind) ? h->n_embd : r.n_rows)) {
          const uint32_t word = (uint32_t)random_next(&seed);
          const uint32_t low = r.kind == IMAGE_WPE     ? (word & 15) << 11
                               : image_is_norm(r.kind) ? a_half(word & 0xffff)
                                                       : word & 0xffff;
          const uint32_t high = biased ? a_half(word >> 16) : 0;
          memcpy(beat + 4 * n, &(uint32_t){high << 16 | low}, 4);
        }
      }
      for (uint32_t s = 0; !at.side && s < segments && first + s < r.n_rows; s++) {
        for (uint32_t c = 0; c < 64; c++) {
          const int q = (int)random_below(&seed, 255) - 127;
          beat[64 * s + c] = (uint8_t)(int8_t)q;
        }
        if (at.block <= (r.kind == IMAGE_WPE)) beat[64 * s] = 127;
      }
    }
  }
  return beats;
}

static void image_path(char path[static FILE_PATH_SIZE], void **state) {
  assert_int_equal(file_join(path, *state, "image", NULL), 0);
}

// ------------------------------------------------------------------------------------------ layout

// Regions follow each other without a gap, and golden/weight_stream.c finds the same ones.
static void test_regions(void **unused) {
  (void)unused;
  for (size_t i = 0; i < SHAPES; i++) {
    for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2) {
      const struct image_header h = header_of(&shapes[i], lanes);
      uint64_t next = 0;
      uint32_t count = 0;
      for (struct image_region r = {0}; image_next_region(&r, &h); count++) {
        struct weight_stream w;
        weight_stream_layer(&w, &h, r.kind == IMAGE_LN_F ? h.n_layer - 1 : r.layer);
        const uint64_t a_head = image_matrix_beats(h.lanes, 192, h.n_embd);
        const uint64_t expected[] = {
            [IMAGE_WPE] = h.wpe_base, [IMAGE_WTE] = h.wte_base,
            [IMAGE_LN_1] = w.ln1,     [IMAGE_QKV] = w.qkv + r.part * a_head,
            [IMAGE_LN_2] = w.ln2,     [IMAGE_ATTN_PROJ] = w.proj,
            [IMAGE_FC] = w.mlp1,      [IMAGE_MLP_PROJ] = w.mlp2,
            [IMAGE_LN_F] = w.ln_next, [IMAGE_HEAD] = h.head_base,
        };
        assert_int_equal(r.index, count);
        assert_int_equal(r.base, next);
        assert_int_equal(r.base, expected[r.kind]);
        next += r.beats;
      }
      assert_int_equal(count, 3 + !h.tied + h.n_layer * (h.n_head + 5));
      assert_int_equal(h.n_beats, next);
      assert_int_equal(h.kv_base, next);
      assert_int_equal(h.tied, h.wte_base == h.head_base);
      const uint64_t tiles = (h.n_ctx + 63) / 64;
      assert_int_equal(h.kv_v_off, image_matrix_beats(h.lanes, h.n_ctx, 64));
      assert_int_equal(h.kv_stride, h.kv_v_off + tiles * 64 / (lanes / 64));
    }
  }
}

// Every beat of a matrix is one of its blocks or side words, each exactly once.
static void test_beats_of_a_matrix(void **unused) {
  (void)unused;
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 4) {
    for (int by_columns = 0; by_columns <= 1; by_columns++) {
      struct image_region r = {.kind = IMAGE_FC,
                               .n_rows = 1601,
                               .n_cols = 320,
                               .by_columns = by_columns};
      const uint32_t groups = (r.n_rows + lanes / 64 - 1) / (lanes / 64);
      r.beats = image_matrix_beats(lanes, r.n_rows, r.n_cols);
      uint8_t *seen = calloc(groups, 6);  // 5 blocks, and the side beat
      for (uint64_t i = 0; i < r.beats; i++) {
        const struct image_beat at = image_beat_at(&r, lanes, i);
        assert_true(at.group < groups && at.block < 5);
        assert_true(!at.side || at.group % 16 == 0);
        seen[at.group * 6 + (at.side ? 5 : at.block)]++;
      }
      for (uint32_t g = 0; g < groups; g++) {
        for (size_t k = 0; k < 5; k++) assert_int_equal(seen[g * 6 + k], 1);
        assert_int_equal(seen[g * 6 + 5], g % 16 == 0);
      }
      free(seen);
    }
  }
}

// The golden models' view of an image is that of its inverse.
static void check_matrix(const float *w, const float *bias, const struct matrix *m, size_t first,
                         size_t stride) {
  const size_t columns = 64 * (size_t)m->n_blocks;
  for (uint32_t r = 0; r < m->n_rows; r++) {
    const size_t row = first + r / 64 * stride + r % 64;
    const uint32_t side = matrix_side(m, r);
    const double scale = image_scale_value((uint16_t)side);
    for (uint32_t c = 0; c < columns; c++)
      assert_true((double)w[row * columns + c] == matrix_block(m, r, c / 64)[c % 64] * scale);
    assert_true((!bias ? 0 : (double)bias[row]) == image_half_value((uint16_t)(side >> 16)));
  }
}

static void check_norm(const float *g, const float *b, const struct image *image, uint64_t base) {
  for (uint32_t c = 0; c < image->header.n_embd; c++) {
    const uint32_t word = side_word(image, base, c);
    assert_true((double)g[c] == image_half_value((uint16_t)word));
    assert_true((double)b[c] == image_half_value((uint16_t)(word >> 16)));
  }
}

static void test_golden_view(void **unused) {
  (void)unused;
  for (size_t i = 0; i < SHAPES; i++) {
    for (uint32_t lanes = 64; lanes <= 4096; lanes *= 4) {
      const struct image_header h = header_of(&shapes[i], lanes);
      uint8_t *beats = random_beats(&h, i + lanes);
      const struct image image = {.header = h, .beats = beats};
      struct gpt2_weights w;
      struct err err;
      expect_success(image_weights(&w, &image, &err), &err);
      const uint32_t c = h.n_embd, heads = h.n_head;
      check_matrix(w.wte, NULL, &(struct matrix){&image, h.wte_base, h.vocab_size, heads, false}, 0,
                   64);
      check_matrix(w.lm_head, NULL,
                   &(struct matrix){&image, h.head_base, h.vocab_size, heads, false}, 0, 64);
      for (uint32_t l = 0; l < h.n_layer; l++) {
        const struct gpt2_layer *layer = &w.layers[l];
        struct weight_stream s;
        weight_stream_layer(&s, &h, l);
        check_norm(layer->ln_1_g, layer->ln_1_b, &image, s.ln1);
        check_norm(layer->ln_2_g, layer->ln_2_b, &image, s.ln2);
        for (uint32_t head = 0; head < heads; head++) {
          const uint64_t base = s.qkv + head * image_matrix_beats(h.lanes, 192, c);
          check_matrix(layer->attn_w, layer->attn_b,
                       &(struct matrix){&image, base, 192, heads, false}, 64 * head, c);
        }
        check_matrix(layer->attn_proj_w, layer->attn_proj_b,
                     &(struct matrix){&image, s.proj, c, heads, true}, 0, 64);
        check_matrix(layer->fc_w, layer->fc_b,
                     &(struct matrix){&image, s.mlp1, 4 * c, heads, false}, 0, 64);
        check_matrix(layer->mlp_proj_w, layer->mlp_proj_b,
                     &(struct matrix){&image, s.mlp2, c, 4 * heads, true}, 0, 64);
        if (l + 1 == h.n_layer) check_norm(w.ln_f_g, w.ln_f_b, &image, s.ln_next);
      }
      const struct matrix wpe = {&image, h.wpe_base, h.n_ctx, 2 * heads, false};
      for (uint32_t t = 0; t < h.n_ctx; t++) {
        struct residual r;
        struct saturation sat = {0};
        pos_embedding(&r, &wpe, t, &sat);
        for (uint32_t d = 0; d < c; d++)
          assert_true(fabs(r.x[d] - ldexp((double)w.wpe[t * c + d], RES_FRAC)) < 0.54);
      }
      weights_free(&w);
      free(beats);
    }
  }
}

// ------------------------------------------------------------------------------------ the compiler

// From an image to floats and back to the same bytes.
static void test_round_trip(void **state) {
  char path[FILE_PATH_SIZE];
  image_path(path, state);
  for (size_t i = 0; i < SHAPES; i++) {
    for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2) {
      const struct image_header h = header_of(&shapes[i], lanes);
      uint8_t *beats = random_beats(&h, i + lanes);
      struct image found;
      struct gpt2_weights w;
      struct err err;
      expect_success(image_weights(&w, &(struct image){.header = h, .beats = beats}, &err), &err);
      expect_success(image_build(path, &w, lanes, 42, &err), &err);
      expect_success(image_open(&found, path, IMAGE_CHECKED, &err), &err);
      assert_int_equal(found.header.source, 42);
      assert_int_equal(found.header.eos_id, h.eos_id);
      for (struct image_region r = {0}; image_next_region(&r, &h);) {
        if (memcmp(found.beats + r.base * lanes, beats + r.base * lanes, r.beats * lanes) != 0) {
          fail_msg("shape %zu, %u lanes: region %u of layer %u, %s", i, lanes, r.part, r.layer,
                   image_kind_name(r.kind));
        }
      }
      if (i == 0 && lanes == 256)  // the same bytes on every machine and with every compiler
        assert_true(found.header.checksum == UINT64_C(0xc3cd790221115d07));
      image_close(&found);
      weights_free(&w);
      free(beats);
    }
  }
}

static void expect_row(struct worst *worst, const float *w, const float *original, size_t n,
                       double steps) {
  double max = 0;
  for (size_t i = 0; i < n; i++) max = fmax(max, fabs((double)original[i]));
  // the scale is at most one part in 2048 above max / steps
  const double step = fmax(max / steps * (1 + 0x1p-11), 0x1p-24);
  for (size_t i = 0; i < n; i++)
    expect_within(worst, "weight", (double)w[i], (double)original[i], step * 0.502);
}

static void expect_halfs(struct worst *worst, const float *x, const float *original, size_t n) {
  for (size_t i = 0; i < n; i++) {
    expect_within(worst, "half", (double)x[i], (double)original[i],
                  fmax(fabs((double)original[i]) * 0x1p-11, 0x1p-25));
  }
}

// A model's weights are kept to half a step of their row.
static void test_quantisation(void **state) {
  char path[FILE_PATH_SIZE], dir[FILE_PATH_SIZE];
  struct err err;
  struct gpt2_weights w, found;
  struct image image;
  image_path(path, state);
  expect_success(file_join(dir, *state, "model", &err), &err);
  expect_success(random_model_write("nano", 3, dir, &err), &err);
  expect_success(weights_load(&w, dir, &err), &err);
  expect_success(image_build(path, &w, 256, 0, &err), &err);
  expect_success(image_open(&image, path, IMAGE_CHECKED, &err), &err);
  expect_success(image_weights(&found, &image, &err), &err);
  const size_t c = w.config.n_embd;
  struct worst worst = {0}, halfs = {0};
  for (size_t r = 0; r < w.config.vocab_size; r++)
    expect_row(&worst, found.wte + r * c, w.wte + r * c, c, 127);
  for (size_t r = 0; r < w.config.n_ctx; r++)
    expect_row(&worst, found.wpe + r * c, w.wpe + r * c, c, 32639);
  for (size_t l = 0; l < w.config.n_layer; l++) {
    const struct gpt2_layer *a = &found.layers[l], *b = &w.layers[l];
    for (size_t r = 0; r < 4 * c; r++) expect_row(&worst, a->fc_w + r * c, b->fc_w + r * c, c, 127);
    for (size_t r = 0; r < 3 * c; r++)
      expect_row(&worst, a->attn_w + r * c, b->attn_w + r * c, c, 127);
    for (size_t r = 0; r < c; r++) {
      expect_row(&worst, a->attn_proj_w + r * c, b->attn_proj_w + r * c, c, 127);
      expect_row(&worst, a->mlp_proj_w + r * 4 * c, b->mlp_proj_w + r * 4 * c, 4 * c, 127);
    }
    expect_halfs(&halfs, a->attn_b, b->attn_b, 3 * c);
    expect_halfs(&halfs, a->attn_proj_b, b->attn_proj_b, c);
    expect_halfs(&halfs, a->fc_b, b->fc_b, 4 * c);
    expect_halfs(&halfs, a->mlp_proj_b, b->mlp_proj_b, c);
    expect_halfs(&halfs, a->ln_1_g, b->ln_1_g, c);
    expect_halfs(&halfs, a->ln_1_b, b->ln_1_b, c);
    expect_halfs(&halfs, a->ln_2_g, b->ln_2_g, c);
    expect_halfs(&halfs, a->ln_2_b, b->ln_2_b, c);
  }
  expect_halfs(&halfs, found.ln_f_g, w.ln_f_g, c);
  expect_halfs(&halfs, found.ln_f_b, w.ln_f_b, c);
  print_worst("weights", &worst);
  print_worst("biases, gains", &halfs);

  // The header says where it came from, and changes with the weights.
  uint64_t source, other;
  expect_success(image_source(&source, dir, &err), &err);
  char config[FILE_PATH_SIZE];
  write_string(config, dir, "config.json", "{}");
  expect_success(image_source(&other, dir, &err), &err);
  assert_int_not_equal(source, other);
  expect_failure(image_source(&other, "/nowhere", &err), &err, "/nowhere/config.json");

  image_close(&image);
  weights_free(&found);
  weights_free(&w);
}

// Rows of zeros, rows too small for the formats, one large weight among small ones.
static void test_unusual_rows(void **state) {
  char path[FILE_PATH_SIZE];
  image_path(path, state);
  const struct image_header h = header_of(&shapes[0], 128);
  uint8_t *beats = random_beats(&h, 1);
  struct image image;
  struct gpt2_weights w, found;
  struct err err;
  expect_success(image_weights(&w, &(struct image){.header = h, .beats = beats}, &err), &err);
  float *row = w.storage + (w.layers[1].fc_w - w.storage);
  const size_t c = h.n_embd;
  memset(row, 0, c * sizeof *row);
  for (size_t i = 0; i < c; i++) {
    row[c + i] = 1e-9f;
    row[2 * c + i] = i == 5 ? -32000.0f : 100;
  }
  expect_success(image_build(path, &w, 128, 0, &err), &err);
  expect_success(image_open(&image, path, IMAGE_CHECKED, &err), &err);
  expect_success(image_weights(&found, &image, &err), &err);
  const float *result = found.layers[1].fc_w;
  for (size_t i = 0; i < c; i++) {
    assert_true(result[i] == 0 && result[c + i] == 0);
    assert_true(fabsf(result[2 * c + i] - row[2 * c + i]) < 127);
  }
  image_close(&image);
  weights_free(&found);
  weights_free(&w);
  free(beats);
}

// What a format cannot hold is refused by tensor and index, and leaves no file.
static void test_build_refusals(void **state) {
  char path[FILE_PATH_SIZE];
  image_path(path, state);
  const struct image_header h = header_of(&shapes[0], 64);
  uint8_t *beats = random_beats(&h, 1);
  struct gpt2_weights w;
  struct err err;
  expect_success(image_weights(&w, &(struct image){.header = h, .beats = beats}, &err), &err);
  const struct {
    const float *at;
    float value;
    const char *message;
  } cases[] = {
      {w.layers[1].fc_b + 17, 140000, "h.1.mlp.c_fc.bias[17] is 140000, expected within 131008"},
      {w.layers[0].ln_2_g + 3, -1e9f, "h.0.ln_2.weight[3] is -1e+09"},
      {w.ln_f_b + 127, INFINITY, "ln_f.bias[127] is inf"},
      {w.layers[0].attn_w + 130 * 128 + 5, 33000,
       "h.0.attn.c_attn.weight: row 130 has 33000 in column 5"},
      {w.layers[0].attn_proj_w, -INFINITY, "h.0.attn.c_proj.weight: row 0 has -inf in column 0"},
      {w.layers[1].attn_b + 383, 2e6f, "h.1.attn.c_attn.bias[383] is 2e+06"},
      {w.wte + 300 * 128, -4e4f, "lm_head.weight: row 300 has -40000 in column 0"},
      {w.wpe + 63 * 128 + 1, 1e8f, "wpe.weight: row 63 has 1e+08 in column 1"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    float *at = w.storage + (cases[i].at - w.storage), before = *at;
    *at = cases[i].value;
    expect_failure(image_build(path, &w, 64, 0, &err), &err, cases[i].message);
    *at = before;
  }
  const uint32_t lanes[] = {0, 32, 96, 8192};
  for (size_t i = 0; i < 4; i++)
    expect_failure(image_build(path, &w, lanes[i], 0, &err), &err, "a power of two of 64..4096");
  w.config.layer_norm_epsilon = 1e-7;  // 2^16 / (128^2 2^24) is 2.4e-7
  expect_failure(image_build(path, &w, 64, 0, &err), &err, "layer_norm_epsilon is 1e-07");
  w.config.layer_norm_epsilon = 1e-5;
  w.config.n_head = 26;
  expect_failure(image_build(path, &w, 64, 0, &err), &err, "n_head is 26, expected 1..25");
  w.config.n_head = 2;
  assert_false(file_exists(path));
  DIR *dir = opendir(*state);  // nor a file with another name
  for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
    assert_true(entry->d_name[0] == '.');
  closedir(dir);
  expect_failure(image_build("/nowhere/image", &w, 64, 0, &err), &err, "cannot be written");
  expect_success(image_build(path, &w, 64, 0, &err), &err);
  weights_free(&w);
  free(beats);
}

// ----------------------------------------------------------------------------------------- opening

struct file {
  uint8_t *bytes;
  size_t size;
};

// The image of shape, as a file in the test's folder and in memory.
static struct file make_file(char path[static FILE_PATH_SIZE], void **state,
                             const struct shape *shape, uint32_t lanes) {
  struct file_map map;
  struct gpt2_weights w;
  struct err err;
  image_path(path, state);
  const struct image_header h = header_of(shape, lanes);
  uint8_t *beats = random_beats(&h, 1);
  expect_success(image_weights(&w, &(struct image){.header = h, .beats = beats}, &err), &err);
  expect_success(image_build(path, &w, lanes, 42, &err), &err);
  weights_free(&w);
  free(beats);
  expect_success(file_map_open(&map, path, &err), &err);
  struct file file = {malloc(map.size + 1), map.size};
  memcpy(file.bytes, map.data, map.size);
  file.bytes[map.size] = 0;
  file_map_close(&map);
  return file;
}

static int open_bytes(void **state, const uint8_t *bytes, size_t size, enum image_check check,
                      struct err *err) {
  char path[FILE_PATH_SIZE];
  struct image image;
  write_file(path, *state, "image", bytes, size);
  const int result = image_open(&image, path, check, err);
  assert_int_equal(result == 0, image.beats != NULL);
  image_close(&image);
  return result;
}

static void test_cut_files(void **state) {
  char path[FILE_PATH_SIZE];
  struct err err;
  struct image image;
  const struct file file = make_file(path, state, &shapes[1], 64);
  const size_t sizes[] = {0, 1, 4095, 4096, 4097, file.size - 64, file.size - 1};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    expect_failure(open_bytes(state, file.bytes, sizes[i], IMAGE_CHECKED, &err), &err, "truncated");
    expect_failure(open_bytes(state, file.bytes, sizes[i], IMAGE_ANY_CHECKSUM, &err), &err,
                   "gpt2rtl compile --model DIR --lanes N --output ");
  }
  expect_failure(open_bytes(state, file.bytes, file.size + 1, IMAGE_CHECKED, &err), &err,
                 "appended to");
  expect_failure(image_open(&image, "/nowhere", IMAGE_CHECKED, &err), &err,
                 "/nowhere: cannot open");
  assert_int_equal(open_bytes(state, file.bytes, file.size, IMAGE_CHECKED, &err), 0);
  free(file.bytes);
}

static void test_wrong_header(void **state) {
  char path[FILE_PATH_SIZE];
  struct err err;
  const struct file file = make_file(path, state, &shapes[1], 64);
  const struct {
    size_t offset;
    uint32_t value;
    const char *message;
  } cases[] = {
#define AT(field) offsetof(struct image_header, field)
      {AT(magic), 7, "not a memory image"},
      {AT(version), 2, "version is 2, expected 1"},
      {AT(lanes), 63, "lanes is 63"},
      {AT(lanes), 128, "expected"},
      {AT(n_layer), 2, "n_beats"},
      {AT(n_head), 0, "n_head is 0, expected 1..25"},
      {AT(n_embd), 128, "n_embd is 128, expected 64"},
      {AT(n_ctx), 2000, "n_ctx is 2000"},
      {AT(vocab_size), 0, "vocab_size is 0"},
      {AT(tied), 2, "tied is 2"},
      {AT(eos_id), 5, "eos_id is 5, expected below 1"},
      {AT(inv_width), 1, "inv_width is 1, expected 16777216"},
      {AT(eps_term), 1, "eps_term"},
      {AT(layer_norm_epsilon), 0, "layer_norm_epsilon is 0"},
      {AT(wpe_base), 1, "wpe_base is 1, expected 0"},
      {AT(stream_base), 1, "stream_base"},
      {AT(head_base), 1, "head_base"},
      {AT(kv_base), 1, "kv_base"},
      {AT(kv_v_off), 1, "kv_v_off"},
      {AT(kv_stride), 1, "kv_stride"},
      {AT(zero), 1, "does not end in zeros"},
      {AT(source), 1, "checksum"},
      {AT(checksum), 1, "checksum of its content"},
#undef AT
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t before[4];
    memcpy(before, file.bytes + cases[i].offset, 4);
    memcpy(file.bytes + cases[i].offset, &cases[i].value, 4);
    expect_failure(open_bytes(state, file.bytes, file.size, IMAGE_CHECKED, &err), &err,
                   cases[i].message);
    memcpy(file.bytes + cases[i].offset, before, 4);
  }
  // Any byte of the header.
  for (size_t i = 0; i < IMAGE_HEADER_BYTES; i += i < 160 ? 1 : 97) {
    file.bytes[i] ^= 0x10;
    assert_int_equal(open_bytes(state, file.bytes, file.size, IMAGE_CHECKED, &err), -1);
    file.bytes[i] ^= 0x10;
  }
  free(file.bytes);
}

// One byte anywhere in any region: refused because of the checksum, and accepted if the caller asks
// for that.
static void test_altered_regions(void **state) {
  char path[FILE_PATH_SIZE];
  struct err err;
  uint64_t random = 1;
  const struct shape *shape = &shapes[2];
  const struct file file = make_file(path, state, shape, 64);
  const struct image_header h = header_of(shape, 64);
  for (struct image_region r = {0}; image_next_region(&r, &h);) {
    for (int n = 0; n < 3; n++) {
      const size_t at = sizeof h + r.base * h.lanes + random_below(&random, r.beats * h.lanes);
      const uint8_t flip = (uint8_t)(1 + random_below(&random, 255));
      file.bytes[at] ^= flip;
      expect_failure(open_bytes(state, file.bytes, file.size, IMAGE_CHECKED, &err), &err,
                     "checksum");
      assert_int_equal(open_bytes(state, file.bytes, file.size, IMAGE_ANY_CHECKSUM, &err), 0);
      file.bytes[at] ^= flip;
    }
  }
  assert_int_equal(open_bytes(state, file.bytes, file.size, IMAGE_CHECKED, &err), 0);
  free(file.bytes);
}

// -------------------------------------------------------------------------------------- describing

static void test_describe(void **unused) {
  (void)unused;
  const struct shape gpt2 = {12, 12, 1024, 50257, 1};
  const struct image_header h = header_of(&gpt2, 256);
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  image_describe(out, &h);
  fclose(out);
  static const char *const expected[] = {
      "12 layers, 12 heads, width 768, context 1024, vocabulary 50257, tied head",
      "125725184 bytes: a header of 4096, 491098 beats",
      "h.0.attn.c_attn, 12 heads of             6172        579  0x000181c00\n",
      "each further layer: 11 of               33952      27780  0x00084a000\n",
      "lm_head                                339532     151566  0x0052e4c00\n",
      "beat 491098 + (l x 12 + h) x 528; in it keys and scales from 0, values from 272\n",
  };
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
    if (strstr(text, expected[i]) == NULL) fail_msg("\"%s\" is not in:\n%s", expected[i], text);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scales),      cmocka_unit_test(test_halfs),
      cmocka_unit_test(test_regions),     cmocka_unit_test(test_beats_of_a_matrix),
      cmocka_unit_test(test_golden_view), IN_FOLDER(test_round_trip),
      IN_FOLDER(test_quantisation),       IN_FOLDER(test_unusual_rows),
      IN_FOLDER(test_build_refusals),     IN_FOLDER(test_cut_files),
      IN_FOLDER(test_wrong_header),       IN_FOLDER(test_altered_regions),
      cmocka_unit_test(test_describe),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
