// SPDX-License-Identifier: Apache-2.0
//
// json: what commands print for programs; the candidates of generate --top; running from only an
// image
#include "model_test.h"

#include <math.h>
#include <sys/wait.h>

#include <cjson/cJSON.h>

#include "random_model.h"
#include "recording.h"
#include "shell.h"

enum { TEXT = 1 << 18, V = 301 };
#define out shell_out

static void expect(void **state, int status, const char *format, ...) {
  char line[1100] = "gpt2rtl ";
  va_list args;
  va_start(args, format);
  vsnprintf(line + strlen(line), sizeof line - strlen(line), format, args);
  va_end(args);
  const int found = shell_run(*state, NULL, 0, "%s", line);
  if (found != status) fail_msg("gpt2rtl %s: exit status %d, expected %d", format, found, status);
}
// The one object on standard output.
static cJSON *object(void) {
  const char *end;
  cJSON *json = cJSON_ParseWithOpts(out, &end, 0);
  if (!json || end[strspn(end, "\n")]) fail_msg("not one JSON object: %.200s", out);
  return json;
}
static double number(const cJSON *json, const char *name) {
  const cJSON *item = cJSON_GetObjectItem(json, name);
  if (!cJSON_IsNumber(item)) fail_msg("%s is no number", name);
  return item->valuedouble;
}
static const char *string(const cJSON *json, const char *name) {
  const cJSON *item = cJSON_GetObjectItem(json, name);
  if (!cJSON_IsString(item)) fail_msg("%s is no string", name);
  return item->valuestring;
}

static const char common[] =
    "--ids 5,6,7 --tokens 6 --temperature 0.7 --top-k 4 --seed 3 --ignore-eos";

// softmax(logits / 0.7) of each step, from the logits command.
static void expected_probabilities(void **state, const cJSON *json, double p[6][V]) {
  char ids[64] = "5,6,7", path[FILE_PATH_SIZE];
  const cJSON *list = cJSON_GetObjectItem(json, "ids");
  static float logits[8][V];
  for (int i = 0; i < 5; i++)
    snprintf(ids + strlen(ids), sizeof ids - strlen(ids), ",%d",
             cJSON_GetArrayItem(list, i)->valueint);
  expect(state, 0, "logits --model @/nano --engine golden --ids %s --output @/logits", ids);
  assert_int_equal(file_join(path, *state, "logits", NULL), 0);
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  assert_int_equal(fread(logits, sizeof logits, 1, f), 1);
  fclose(f);
  for (int s = 0; s < 6; s++) {
    double max = -1e9, sum = 0;
    for (int i = 0; i < V; i++) max = fmax(max, (double)logits[2 + s][i]);
    for (int i = 0; i < V; i++) sum += p[s][i] = exp(((double)logits[2 + s][i] - max) / 0.7);
    for (int i = 0; i < V; i++) p[s][i] /= sum;
  }
}

static void top(void **state) {
  static double p[6][V];
  static char golden[TEXT];
  expect(state, 0, "generate --model @/nano %s --engine golden --json --top 7", common);
  cJSON *json = object(), *steps = cJSON_GetObjectItem(json, "steps"), *step;
  assert_int_equal(cJSON_GetArraySize(steps), 6);
  expected_probabilities(state, json, p);
  int n = 0;
  cJSON_ArrayForEach(step, steps) {
    const cJSON *candidates = cJSON_GetObjectItem(step, "candidates"), *c;
    double drawn = 0, last = 1;
    int rank = 0, chosen = 0;
    assert_int_equal((int)number(step, "position"), 2 + n);
    assert_int_equal((int)number(step, "choice"),
                     cJSON_GetArrayItem(cJSON_GetObjectItem(json, "ids"), n)->valueint);
    assert_int_equal(cJSON_GetArraySize(candidates), 7);  // the choice is one of the 4 most likely
    cJSON_ArrayForEach(c, candidates) {
      const int id = (int)number(c, "id");
      const double probability = number(c, "probability");
      if (fabs(probability - p[n][id]) > 1e-9)
        fail_msg("step %d, id %d: %g, softmax of the logits says %g", n, id, probability, p[n][id]);
      assert_true(probability <= last);
      last = probability;
      if (rank >= 4) assert_true(number(c, "drawn") == 0);
      else assert_true(number(c, "drawn") > probability);
      drawn += number(c, "drawn");
      chosen += id == (int)number(step, "choice");
      string(c, "text");
      rank++;
    }
    int likelier = 0;
    for (int i = 0; i < V; i++) likelier += p[n][i] > last;
    assert_int_equal(likelier, 6);
    assert_true(fabs(drawn - 1) < 1e-9);
    assert_int_equal(chosen, 1);
    n++;
  }
  char *printed = cJSON_PrintUnformatted(steps);
  snprintf(golden, sizeof golden, "%s", printed);
  free(printed);
  cJSON_Delete(json);
  // The hardware and the readable model print the same; float has the same form.
  static const char *const engines[] = {"rtl", "golden-readable", "float"};
  for (int e = 0; e < 3; e++) {
    expect(state, 0, "generate --model @/nano %s --engine %s --json --top 7", common, engines[e]);
    json = object();
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItem(json, "steps"));
    if (e < 2) assert_string_equal(text, golden);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "steps")), 6);
    assert_int_equal(cJSON_IsNumber(cJSON_GetObjectItem(json, "cycles")), e == 0);
    free(text);
    cJSON_Delete(json);
  }
}

// --top and --json leave the text as it is; through a context crop too.
static void same_text(void **state) {
  static char plain[TEXT];
  for (int rtl = 0; rtl < 2; rtl++) {
    const char *run = "generate --model @/nano --ids 5,6,7 --tokens 75 --temperature 1 --seed 11 "
                      "--ignore-eos --engine %s %s";
    const char *engine = rtl ? "rtl" : "golden";
    expect(state, 0, run, engine, "");
    memcpy(plain, out, TEXT);
    expect(state, 0, run, engine, "--top 2");
    const size_t n = strlen(out), m = strlen(plain);
    assert_true(n > m + 1 && out[n - 1] == '\n');
    assert_memory_equal(out + n - 1 - m, plain, m);
    assert_non_null(strstr(out, "position 63\n  "));
    assert_non_null(strstr(out, "\n  * "));
    expect(state, 0, run, engine, "--json");
    cJSON *json = object();
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "ids")), 75);
    assert_string_equal(string(json, "stop"), "length");
    assert_string_equal(string(json, "seed"), "11");
    assert_null(cJSON_GetObjectItem(json, "steps"));
    cJSON_Delete(json);
  }
}

static void image(void **state) {
  static char ids[TEXT];
  expect(state, 0, "compile --model @/nano --lanes 64 --output @/image --json");
  cJSON *json = object();
  assert_int_equal((int)number(json, "lanes"), 64);
  char checksum[17];
  snprintf(checksum, sizeof checksum, "%s", string(json, "checksum"));
  cJSON_Delete(json);
  expect(state, 0, "info @/image --json");
  json = object();
  assert_string_equal(string(json, "checksum"), checksum);
  assert_int_equal((int)number(json, "vocabulary"), V);
  cJSON_Delete(json);
  expect(state, 0, "generate --model @/nano %s --engine golden --json", common);
  json = object();
  for (int i = 0; i < 6; i++)
    sprintf(ids + strlen(ids), "%s%d", i ? " " : "",
            cJSON_GetArrayItem(cJSON_GetObjectItem(json, "ids"), i)->valueint);
  strcat(ids, "\n");
  cJSON_Delete(json);
  expect(state, 0, "generate --image @/image %s",
         common);  // on the hardware, without a tokenizer: ids
  assert_string_equal(out, ids);
  expect(state, 0,
         "generate --image @/image --model @/nano --prompt x --tokens 3 --engine golden --json");
  json = object();
  assert_string_equal(string(json, "engine"), "golden");
  assert_non_null(strstr(string(json, "image"), "/image"));
  string(json, "text");
  cJSON_Delete(json);
  expect(state, 0, "logits --image @/image --ids 1,2 --engine golden --output @/a --json");
  json = object();
  assert_int_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "shape"), 1)->valueint, V);
  cJSON_Delete(json);
  expect(state, 0, "logits --model @/nano --ids 1,2 --output @/b; cmp @/a @/b");
  expect(state, 1, "generate --image @/nano/config.json --ids 1");
  expect(state, 1, "generate --image @/image --ids 301");
}

static void others(void **state) {
  expect(state, 0, "info @/nano --json");
  cJSON *json = object();
  assert_int_equal((int)number(json, "layers"), 2);
  assert_int_equal((int)number(json, "context"), 64);
  cJSON_Delete(json);
  expect(state, 0, "tokenize --model @/nano --json < /dev/null");
  json = object();
  assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "ids")), 0);
  cJSON_Delete(json);
  // Any bytes make valid JSON.
  expect(state, 0,
         "tokenize --model @/nano < /bin/true | build/gpt2rtl detokenize --model @/nano --json");
  json = object();
  assert_non_null(strstr(out, "\xef\xbf\xbd"));
  cJSON_Delete(json);
  static const char *const usage[] = {
      "generate --image x --prompt y",
      "generate --image x --ids 1 --lanes 64",
      "generate --image x --ids 1 --engine float",
      "generate --model @/nano --ids 1 --top 0",
      "generate --model @/nano --ids 1 --top 101",
      "logits --image x --model y --ids 1 --output z",
      "generate --model @/nano --ids 1 --trace-tokens 1",
      "generate --model @/nano --ids 1 --trace x --trace-tokens 2:1",
      "generate --model @/nano --ids 1 --trace x --trace-limit 0",
  };
  for (size_t i = 0; i < sizeof usage / sizeof *usage; i++) {
    expect(state, 2, "%s", usage[i]);
    assert_string_equal(out, "");
  }
  expect(state, 1, "generate --model @/nano --ids 1 --tokens 2 --engine golden --json > /dev/full");
  expect(state, 1,
         "generate --model @/nano --ids 1 --tokens 2 --engine golden --top 3 > /dev/full");
}

static int setup(void **state) {
  struct err err;
  char dir[FILE_PATH_SIZE];
  struct image nano;
  open_random(&nano, "nano", 1, 64);  // makes build/models
  image_close(&nano);
  return make_folder(state) || file_join(dir, *state, "nano", &err) ||
         random_model_write("nano", 1, dir, &err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(top),
      cmocka_unit_test(same_text),
      cmocka_unit_test(image),
      cmocka_unit_test(others),
  };
  return cmocka_run_group_tests_name("json", tests, setup, remove_folder);
}
