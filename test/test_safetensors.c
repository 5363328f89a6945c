// SPDX-License-Identifier: Apache-2.0
// test_safetensors - exact conversions, files that the writer wrote, and files that lie
#include "model_test.h"

#include <math.h>

#include "safetensors.h"
#include "safetensors_writer.h"

// A file of the header's text and size bytes of data; path receives its name.
static void write_tensors(char path[static FILE_PATH_SIZE], void **state, const char *header,
                          const void *data, size_t size) {
  unsigned char file[4096];
  uint64_t length = strlen(header);
  assert_true(8 + length + size <= sizeof file);
  memcpy(file, &length, 8);
  memcpy(file + 8, header, length);
  memcpy(file + 8 + length, data, size);
  write_file(path, *state, "model.safetensors", file, 8 + length + size);
}

static void test_conversions(void **state) {
  static const char header[] =
      "{\"__metadata__\": {\"format\": \"pt\"},"
      "\"half\": {\"dtype\": \"F16\", \"shape\": [2, 3], \"data_offsets\": [0, 12]},"
      "\"brain\": {\"dtype\": \"BF16\", \"shape\": [2], \"data_offsets\": [12, 16]},"
      "\"mask\": {\"dtype\": \"BOOL\", \"shape\": [1, 1, 3], \"data_offsets\": [16, 19]},"
      "\"single\": {\"dtype\": \"F32\", \"shape\": [], \"data_offsets\": [19, 23]},"
      "\"new\": {\"dtype\": \"F4\", \"shape\": [7], \"data_offsets\": [23, 24]},"
      "\"empty\": {\"dtype\": \"F32\", \"shape\": [0, 4], \"data_offsets\": [24, 24]}}   ";
  unsigned char data[24];
  const uint16_t half[6] = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x83FF, 0x8000};
  const uint16_t brain[2] = {0x3F80, 0xC2F7};
  const float single = 0.1f;
  memset(data, 1, sizeof data);
  memcpy(data, half, 12);
  memcpy(data + 12, brain, 4);
  memcpy(data + 19, &single, 4);
  char path[FILE_PATH_SIZE];
  write_tensors(path, state, header, data, sizeof data);

  struct err err;
  struct safetensors *file;
  expect_success(safetensors_open(&file, path, &err), &err);
  float values[6];
  const struct safetensors_tensor *t = safetensors_find(file, "half");
  assert_non_null(t);
  assert_int_equal(t->rank, 2);
  assert_int_equal(t->shape[1], 3);
  expect_success(safetensors_read_f32(file, t, 0, 6, values, &err), &err);
  const float expected[6] = {1, -2, 65504, 0x1p-24f, -0x1.FF8p-15f, -0.0f};
  assert_memory_equal(values, expected, sizeof expected);
  expect_success(safetensors_read_f32(file, t, 2, 2, values, &err), &err);
  assert_memory_equal(values, expected + 2, 2 * sizeof(float));
  expect_failure(safetensors_read_f32(file, t, 5, 2, values, &err), &err, "has 6 elements");

  t = safetensors_find(file, "brain");
  expect_success(safetensors_read_f32(file, t, 0, 2, values, &err), &err);
  assert_true(values[0] == 1 && values[1] == -123.5f);
  t = safetensors_find(file, "single");
  assert_int_equal(t->elements, 1);
  expect_success(safetensors_read_f32(file, t, 0, 1, values, &err), &err);
  assert_true(values[0] == 0.1f);
  t = safetensors_find(file, "mask");
  expect_failure(safetensors_read_f32(file, t, 0, 3, values, &err), &err, "mask is BOOL, expected");
  assert_non_null(safetensors_find(file, "new"));
  assert_non_null(safetensors_find(file, "empty"));
  assert_null(safetensors_find(file, "__metadata__"));
  assert_null(safetensors_find(file, "hal"));
  safetensors_close(file);
}

// All halfs against the definition of the format.
static void test_every_half(void **state) {
  (void)state;
  static const char header[] =
      "{\"a\": {\"dtype\": \"F16\", \"shape\": [31744], \"data_offsets\": [0, 63488]}}";
  enum { N = 0x7C00 };  // the finite ones of positive sign
  unsigned char *data = malloc(8 + sizeof header + 2 * N);
  float *values = malloc(N * sizeof *values);
  uint64_t length = sizeof header - 1;
  memcpy(data, &length, 8);
  memcpy(data + 8, header, length);
  for (uint16_t h = 0; h < N; h++) memcpy(data + 8 + length + 2 * h, &h, 2);
  char path[FILE_PATH_SIZE];
  struct err err;
  struct safetensors *file;
  write_file(path, *state, "halfs", data, 8 + length + 2 * N);
  expect_success(safetensors_open(&file, path, &err), &err);
  expect_success(safetensors_read_f32(file, safetensors_find(file, "a"), 0, N, values, &err), &err);
  for (int h = 0; h < N; h++) {
    int exponent = h >> 10;
    double fraction = (h & 1023) / 1024.0;
    double expected = exponent == 0 ? ldexp(fraction, -14) : ldexp(1 + fraction, exponent - 15);
    if ((double)values[h] != expected)
      fail_msg("half %04X is %g, expected %g", h, (double)values[h], expected);
  }
  safetensors_close(file);
  free(values);
  free(data);
}

static void test_not_finite(void **state) {
  static const struct {
    const char *dtype;
    unsigned char bits[4];
    size_t bytes;
  } cases[] = {
      {"F32", {0, 0, 0x80, 0x7F}, 4}, {"F32", {1, 0, 0x80, 0xFF}, 4}, {"F16", {0, 0x7C}, 2},
      {"F16", {1, 0xFE}, 2},          {"BF16", {0x80, 0xFF}, 2},      {"BF16", {0xC0, 0x7F}, 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    unsigned char data[40] = {0};
    char header[200];
    char path[FILE_PATH_SIZE];
    snprintf(header, sizeof header,
             "{\"h.0.x\": {\"dtype\": \"%s\", \"shape\": [10], \"data_offsets\": [0, %zu]}}",
             cases[i].dtype, 10 * cases[i].bytes);
    memcpy(data + 7 * cases[i].bytes, cases[i].bits, cases[i].bytes);
    write_tensors(path, state, header, data, 10 * cases[i].bytes);
    struct err err;
    struct safetensors *file;
    float values[10];
    expect_success(safetensors_open(&file, path, &err), &err);
    const struct safetensors_tensor *t = safetensors_find(file, "h.0.x");
    expect_failure(safetensors_read_f32(file, t, 0, 10, values, &err), &err,
                   "tensor h.0.x: element 7 (byte ");
    expect_failure(safetensors_read_f32(file, t, 5, 5, values, &err), &err, "element 7 (byte ");
    expect_success(safetensors_read_f32(file, t, 0, 7, values, &err), &err);
    safetensors_close(file);
  }
}

static void test_hostile_headers(void **state) {
  static const struct {
    const char *header;
    size_t data;
    const char *error;
  } cases[] = {
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}}", 7,
       "tensor a ends at byte 8 of the data, but the file has only 7: it was cut short"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}}", 9,
       "but its tensors end at byte"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [3], \"data_offsets\": [0, 8]}}", 8,
       "tensor a holds 8 bytes, expected 3 elements x 4 bytes"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [4294967296, 4294967296, 2],"
       " \"data_offsets\": [0, 8]}}",
       8, "dimension 1 of its shape is not a size"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [4611686018427387904], \"data_offsets\": [0, 0]}}",
       0, "dimension 0 of its shape is not a size"},
      {"{\"a\": {\"dtype\": \"F64\", \"shape\": [4503599627370496, 4096],"
       " \"data_offsets\": [0, 0]}}",
       0, "dimension 1 of its shape is not a size"},
      {"{\"a\": {\"dtype\": \"F64\", \"shape\": [4503599627370496, 1024],"
       " \"data_offsets\": [0, 0]}}",
       0, "tensor a holds 0 bytes, expected"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [-2], \"data_offsets\": [0, 8]}}", 8,
       "is not a size"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1,1,1,1,1,1,1,1,2], \"data_offsets\": [0, 8]}}", 8,
       "more than 8 dimensions"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [8, 0]}}", 8,
       "are not [begin, end]"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8, 9]}}", 8,
       "are not [begin, end]"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 1e30]}}", 8,
       "are not [begin, end]"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [-8, 0]}}", 8,
       "are not [begin, end]"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": []}}", 8,
       "are not [begin, end]"},
      {"{\"a\": {\"dtype\": 32, \"shape\": [2], \"data_offsets\": [0, 8]}}", 8,
       "tensor a lacks a dtype, a shape or data_offsets"},
      {"{\"a\": [1, 2]}", 8, "tensor a lacks a dtype"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]},"
       "\"b\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [4, 12]}}",
       12, "it overlaps another"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]},"
       "\"b\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [12, 16]}}",
       16, "a gap"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]},"
       "\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 8]}}",
       8, "two tensors are named a"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]},"
       "\"\\u0061\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 8]}}",
       8, "two tensors are named a"},
      {"{\"a\": {\"dtype\": \"F16\", \"shape\": [2], \"data_offsets\": [0, 4]},"
       "\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}",
       4, "two tensors are named a"},
      {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4], \"shape\": [2]}}", 4,
       "tensor a has its dtype, shape or data_offsets twice"},
      {"{\"a\xFF\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}", 4,
       "line 1, byte 11: not UTF-8"},
      {"{\"\xC1\xA1\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}", 4,
       "byte 10: not UTF-8"},
      {"[]", 0, "byte 8: the header is not a JSON object"},
      {"{\"a\": ", 0, "line 1, byte "},
      {"{} {}", 0, "byte 11: something follows the JSON value"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    unsigned char data[16] = {0};
    char path[FILE_PATH_SIZE];
    write_tensors(path, state, cases[i].header, data, cases[i].data);
    struct err err = {{0}};
    struct safetensors *file;
    expect_failure(safetensors_open(&file, path, &err), &err, cases[i].error);
    assert_null(file);
  }
}

// A name may occur twice, in whatever spelling, if both entries say the same.
static void test_same_name(void **state) {
  static const char *const names[] = {"a", "\\u0061"};
  for (size_t i = 0; i < 2; i++) {
    const unsigned char data[8] = {0, 0, 0x80, 0x3F, 0, 0, 0, 0x40};
    static const char entry[] = "{\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}";
    char path[FILE_PATH_SIZE], header[256];
    struct safetensors *file;
    struct err err;
    float values[2];
    snprintf(header, sizeof header, "{\"a\": %s, \"%s\": %s}", entry, names[i], entry);
    write_tensors(path, state, header, data, 8);
    expect_success(safetensors_open(&file, path, &err), &err);
    assert_int_equal(safetensors_count(file), 1);
    expect_success(safetensors_read_f32(file, safetensors_find(file, "a"), 0, 2, values, &err),
                   &err);
    assert_true(values[0] == 1 && values[1] == 2);
    safetensors_close(file);
  }
}

static void test_hostile_sizes(void **state) {
  static const struct {
    unsigned char bytes[10];
    size_t size;
    const char *error;
  } cases[] = {
      {{0}, 0, "0 bytes, too short"},
      {{2, 0, 0, 0, 0, 0, 0}, 7, "7 bytes, too short"},
      {{3, 0, 0, 0, 0, 0, 0, 0, '{', '}'}, 10, "announce a header of 3 bytes, but only 2 follow"},
      {{255, 255, 255, 255, 255, 255, 255, 255, '{', '}'}, 10, "header of 18446744073709551615"},
      {{248, 255, 255, 255, 255, 255, 255, 255, '{', '}'}, 10, "header of 18446744073709551608"},
      {{0, 0, 0, 0, 0, 0, 0, 0}, 8, "byte 8: the JSON text ends early"},
  };
  char path[FILE_PATH_SIZE];
  struct err err = {{0}};
  struct safetensors *file;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    write_file(path, *state, "model.safetensors", cases[i].bytes, cases[i].size);
    expect_failure(safetensors_open(&file, path, &err), &err, cases[i].error);
  }
  write_string(path, *state, "model.safetensors",
               "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 548105171\n");
  expect_failure(safetensors_open(&file, path, &err), &err, "git lfs pull");
}

// Random damage to a good file: an error or a file, and nothing that a sanitizer reports.
static void test_random_damage(void **state) {
  static const char header[] =
      "{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]},"
      "\"b\": {\"dtype\": \"F16\", \"shape\": [1, 3], \"data_offsets\": [8, 14]}}";
  unsigned char good[8 + sizeof header - 1 + 14] = {sizeof header - 1};
  memcpy(good + 8, header, sizeof header - 1);
  uint64_t random = 9;
  for (int round = 0; round < 2000; round++) {
    unsigned char bad[sizeof good];
    memcpy(bad, good, sizeof good);
    for (size_t k = 0; k <= random_below(&random, 3); k++) {
      static const char letters[] = "0123456789,:[]{}\"F";
      size_t at = random_below(&random, sizeof bad);
      bad[at] = round % 2 ? (unsigned char)letters[random_below(&random, sizeof letters - 1)]
                          : (unsigned char)random_next(&random);
    }
    char path[FILE_PATH_SIZE];
    write_file(path, *state, "model.safetensors", bad, sizeof bad - random_below(&random, 2));
    struct err err = {{0}};
    struct safetensors *file;
    if (safetensors_open(&file, path, &err) == 0) {
      const struct safetensors_tensor *a = safetensors_find(file, "a");
      float values[16];
      if (a && a->elements <= 16) (void)safetensors_read_f32(file, a, 0, a->elements, values, &err);
      safetensors_close(file);
    } else {
      assert_true(strlen(err.text) > 0);
    }
  }
}

static void test_writer(void **state) {
  const struct safetensors_spec specs[] =
      {{.name = "z", .dtype = SAFETENSORS_BF16, .rank = 2, .shape = {2, 2}},
       {.name = "a", .dtype = SAFETENSORS_F32, .rank = 1, .shape = {3}}};
  const uint16_t z[4] = {safetensors_bf16(1), safetensors_bf16(-2), safetensors_bf16(0.1f), 0};
  const float a[3] = {0.1f, 0.2f, 0.3f};
  char path[FILE_PATH_SIZE];
  struct err err;
  struct safetensors_writer writer;
  assert_int_equal(file_join(path, *state, "out.safetensors", NULL), 0);
  expect_success(safetensors_writer_open(&writer, path, specs, 2, &err), &err);
  assert_false(file_exists(path));
  expect_success(safetensors_writer_append(&writer, z, sizeof z, &err), &err);
  expect_success(safetensors_writer_append(&writer, a, 4, &err), &err);
  expect_success(safetensors_writer_append(&writer, a + 1, 8, &err), &err);
  expect_failure(safetensors_writer_append(&writer, a, 1, &err), &err, "hold only 0 more");
  expect_success(safetensors_writer_finish(&writer, &err), &err);
  assert_false(file_exists(writer.out.staging));

  struct safetensors *file;
  float values[4];
  expect_success(safetensors_open(&file, path, &err), &err);
  const struct safetensors_tensor *t = safetensors_find(file, "z");
  assert_int_equal(t->begin % 8, 0);
  expect_success(safetensors_read_f32(file, t, 0, 4, values, &err), &err);
  assert_true(values[0] == 1 && values[1] == -2 && values[2] == 0.10009765625f && values[3] == 0);
  t = safetensors_find(file, "a");
  expect_success(safetensors_read_f32(file, t, 0, 3, values, &err), &err);
  assert_memory_equal(values, a, sizeof a);
  safetensors_close(file);

  // An incomplete file does not get the name.
  assert_int_equal(remove(path), 0);
  expect_success(safetensors_writer_open(&writer, path, specs, 2, &err), &err);
  expect_failure(safetensors_writer_finish(&writer, &err), &err, "20 bytes of its tensors");
  assert_false(file_exists(path));
  assert_false(file_exists(writer.out.staging));
  expect_failure(safetensors_writer_open(&writer, "/no/such/x", specs, 2, &err), &err,
                 "cannot be written: No such file");
}

static void test_bf16_rounding(void **state) {
  (void)state;
  assert_int_equal(safetensors_bf16(1.00390625f), 0x3F80);  // 1 + 2^-8, a tie, to even
  assert_int_equal(safetensors_bf16(1.01171875f), 0x3F82);  // 1 + 3 * 2^-8, a tie, to even
  assert_int_equal(safetensors_bf16(1.00390637f), 0x3F81);  // just above the tie
  assert_int_equal(safetensors_bf16(-1000), 0xC47A);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(test_conversions),
      IN_FOLDER(test_every_half),
      IN_FOLDER(test_not_finite),
      IN_FOLDER(test_hostile_headers),
      IN_FOLDER(test_same_name),
      IN_FOLDER(test_hostile_sizes),
      IN_FOLDER(test_random_damage),
      IN_FOLDER(test_writer),
      cmocka_unit_test(test_bf16_rounding),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
