// SPDX-License-Identifier: Apache-2.0
//
// dump: every tensor of nano by its name from the three engines, as a NumPy file
#include "model_test.h"

#include <math.h>
#include <sys/wait.h>

#include <cjson/cJSON.h>

#include "npy.h"
#include "random_model.h"
#include "recording.h"

enum { T = 5, TEXT = 1 << 16 };
static char out[TEXT];

// Runs "gpt2rtl ARGUMENTS" with standard error after standard output; "@" is the test's folder.
// Returns the exit status.
static int run(const char *folder, const char *format, ...) {
  char arguments[1024], command[4096];
  va_list args;
  va_start(args, format);
  vsnprintf(arguments, sizeof arguments, format, args);
  va_end(args);
  size_t n = (size_t)snprintf(command, sizeof command,
                              "XDG_CACHE_HOME=\"$PWD/build/models/cache\" build/gpt2rtl ");
  for (const char *c = arguments; *c; c++)
    if (*c == '@') n += (size_t)snprintf(command + n, sizeof command - n, "%s", folder);
    else command[n++] = *c;
  snprintf(command + n, sizeof command - n, " 2>&1");
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  out[fread(out, 1, TEXT - 1, pipe)] = 0;
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#define RUN(status, ...)                                                                      \
  do {                                                                                        \
    const int found = run(*state, __VA_ARGS__);                                               \
    if (found != (status)) fail_msg("exit status %d, expected %d; %s", found, (status), out); \
  } while (0)

// The array in folder/name. Checks the header against shape; the data are to be freed.
static float *load(const char *folder, const char *name, const char *shape, size_t count) {
  char path[FILE_PATH_SIZE], head[256];
  assert_int_equal(file_join(path, folder, name, NULL), 0);
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  assert_int_equal(fread(head, 1, 10, f), 10);
  assert_memory_equal(head, "\x93NUMPY\x01\x00", 8);
  const size_t length = (unsigned char)head[8] + 256u * (unsigned char)head[9];
  assert_true(length < sizeof head && (length + 10) % 64 == 0);
  assert_int_equal(fread(head, 1, length, f), length);
  assert_int_equal(head[length - 1], '\n');
  head[length - 1] = 0;
  char expected[256];
  snprintf(expected, sizeof expected, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }",
           shape);
  if (strncmp(head, expected, strlen(expected))) fail_msg("%s, expected %s", head, expected);
  float *x = malloc((count + 1) * sizeof *x);
  assert_non_null(x);
  assert_int_equal(fread(x, sizeof *x, count + 1, f), count);
  fclose(f);
  return x;
}

static void headers(void **state) {
  static const float x[24] = {1, 2, 3};
  static const struct {
    size_t shape[4], rank, count;
    const char *text;
  } cases[] = {
      {{3}, 1, 3, "3,"},
      {{4, 6}, 2, 24, "4, 6"},
      {{2, 3, 4}, 3, 24, "2, 3, 4"},
      {{1, 2, 3, 4}, 4, 24, "1, 2, 3, 4"},
  };
  char path[FILE_PATH_SIZE];
  assert_int_equal(file_join(path, *state, "x.npy", NULL), 0);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(npy_write(f, x, cases[i].shape, cases[i].rank), 0);
    fclose(f);
    float *read = load(*state, "x.npy", cases[i].text, cases[i].count);
    assert_memory_equal(read, x, cases[i].count * sizeof *x);
    free(read);
  }
  FILE *full = fopen("/dev/full", "wb");
  setbuf(full, NULL);
  assert_int_equal(npy_write(full, x, cases[0].shape, 1), -1);
  fclose(full);
}

// Hardware and integer model write the same file; float is near: 5 % of the root mean square, where
// finite.
static void tensors(void **state) {
  static char names[TEXT];
  int n = 0;
  RUN(0, "dump --model @/nano --ids 5,6,7,300,0 --list --json");
  memcpy(names, out, TEXT);
  cJSON *list = cJSON_Parse(names), *entry;
  assert_non_null(list);
  cJSON_ArrayForEach(entry, list) {
    const char *name = cJSON_GetObjectItem(entry, "tensor")->valuestring;
    char shape[64] = "";
    size_t count = 1;
    const cJSON *size;
    cJSON_ArrayForEach(size, cJSON_GetObjectItem(entry, "shape")) {
      snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%d", *shape ? ", " : "",
               size->valueint);
      count *= (size_t)size->valueint;
    }
    static const char *const engines[] = {"rtl", "golden", "float"};
    float *x[3];
    for (int e = 0; e < 3; e++) {
      RUN(0, "dump --model @/nano --ids 5,6,7,300,0 --tensor %s --engine %s --output @/%s.npy",
          name, engines[e], engines[e]);
      assert_non_null(strstr(out, name));
      char file[32];
      snprintf(file, sizeof file, "%s.npy", engines[e]);
      x[e] = load(*state, file, shape, count);
    }
    double signal = 0, noise = 0;
    for (size_t i = 0; i < count; i++) {
      if (memcmp(&x[0][i], &x[1][i], sizeof(float)))
        fail_msg("%s, number %zu: rtl %g, golden %g", name, i, (double)x[0][i], (double)x[1][i]);
      if (isinf(x[2][i])) {
        assert_true(x[1][i] == x[2][i]);
        continue;
      }
      signal += (double)x[2][i] * (double)x[2][i];
      noise += ((double)x[1][i] - (double)x[2][i]) * ((double)x[1][i] - (double)x[2][i]);
    }
    if (signal == 0 || sqrt(noise / signal) > 0.05)
      fail_msg("%s: %g of the root mean square from float", name, sqrt(noise / signal));
    for (int e = 0; e < 3; e++) free(x[e]);
    n++;
  }
  cJSON_Delete(list);
  print_message("%d tensors, %d positions: rtl = golden, float near\n", n, T);
  assert_int_equal(n, 5 + 2 * 14);
}

// From only a compiled image: the same file.
static void image(void **state) {
  RUN(0, "compile --model @/nano --lanes 256 --output @/image");
  RUN(0, "dump --model @/nano --ids 1,2 --tensor transformer.h.1.mlp.act --engine golden --output "
         "@/a.npy");
  RUN(0, "dump --image @/image --ids 1,2 --tensor h.1.mlp.act --engine golden --output @/b.npy");
  RUN(0, "dump --image @/image --ids 1,2 --tensor h.1.mlp.act --json --output @/c.npy");
  cJSON *json = cJSON_Parse(out);
  assert_non_null(json);
  assert_string_equal(cJSON_GetObjectItem(json, "tensor")->valuestring, "h.1.mlp.act");
  assert_string_equal(cJSON_GetObjectItem(json, "engine")->valuestring, "rtl");
  cJSON_Delete(json);
  float *a = load(*state, "a.npy", "2, 512", 1024), *b = load(*state, "b.npy", "2, 512", 1024),
        *c = load(*state, "c.npy", "2, 512", 1024);
  assert_memory_equal(a, b, 1024 * sizeof *a);
  assert_memory_equal(a, c, 1024 * sizeof *a);
  free(a);
  free(b);
  free(c);
}

static void refused(void **state) {
  static const char *const usage[] = {
      "",
      "--model @/nano",
      "--model @/nano --ids 1",
      "--model @/nano --ids 1 --tensor wte",
      "--model @/nano --image x --list",
      "--model @/nano --list --tensor wte",
      "--image x --ids 1 --tensor wte --output y --engine float",
      "--image x --ids 1 --tensor wte --output y --lanes 64",
      "--model @/nano --ids 1 --tensor wte --output y --engine gpu",
  };
  for (size_t i = 0; i < sizeof usage / sizeof *usage; i++) RUN(2, "dump %s", usage[i]);
  RUN(1, "dump --model @/nano --ids 1 --tensor h.0.attn.c_atn --output @/no.npy");
  assert_non_null(strstr(out, "h.N.attn.c_attn"));
  RUN(1, "dump --model @/nano --ids 1 --tensor h.2 --output @/no.npy");
  assert_non_null(strstr(out, "0 to 1"));
  RUN(1, "dump --model @/nano --ids 301 --tensor wte --engine golden --output @/no.npy");
  RUN(1, "dump --model @/nano --ids 1 --tensor wte --engine golden --output @/no/no.npy");
  RUN(1, "dump --model @/absent --list");
  RUN(1, "dump --image @/nano/config.json --ids 1 --tensor wte --output @/no.npy");
  char path[FILE_PATH_SIZE];
  assert_int_equal(file_join(path, *state, "no.npy", NULL), 0);
  assert_false(file_exists(path));
}

static int setup(void **state) {
  struct err err;
  char dir[FILE_PATH_SIZE];
  struct image nano;
  open_random(&nano, "nano", 1, 256);  // makes build/models
  image_close(&nano);
  return make_folder(state) || file_join(dir, *state, "nano", &err) ||
         random_model_write("nano", 1, dir, &err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(headers),
      cmocka_unit_test(tensors),
      cmocka_unit_test(image),
      cmocka_unit_test(refused),
  };
  return cmocka_run_group_tests_name("dump", tests, setup, remove_folder);
}
