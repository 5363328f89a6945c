// SPDX-License-Identifier: Apache-2.0
//
// waveform: which signals of which cycles are in the file, the estimate of its size, GTKWave's save
// file
#include "model_test.h"

#include <sys/stat.h>

#include "sim.h"
#include "recording.h"
#include "waveform.h"

enum { LANES = 256, PROMPT = 3, NEW = 4, TEXT = 1 << 22 };

// Cycles at the end of each position, as the run reports them.
struct ends {
  struct sim *sim;
  uint64_t at[PROMPT + NEW];
  struct controller_step step[PROMPT + NEW];
  size_t n;
};
static int on_step(void *ctx, const struct controller_step *step) {
  struct ends *e = ctx;
  e->step[e->n] = *step;
  e->at[e->n++] = sim_cycles(e->sim);
  return 0;
}

// Runs nano with the waveform that options describe, into folder/run.fst. *estimate may be NULL.
static int run_with_waveform(const char *folder, struct waveform_options options, struct ends *ends,
                             uint64_t *estimate, struct err *err) {
  static const uint32_t prompt[PROMPT] = {5, 6, 7};
  static char path[FILE_PATH_SIZE];
  const struct sim_memory memory = SIM_MEMORY_DEFAULT;
  struct controller_run run = {.prompt = prompt,
                               .n_prompt = PROMPT,
                               .max_new = NEW,
                               .sampling = {.top_k = 1, .inv_t = 94548, .state = 1},
                               .ctx = ends,
                               .step = on_step};
  struct image image;
  struct sim_result result;
  struct waveform *waveform;
  uint64_t bytes;
  open_random(&image, "nano", 1, LANES);
  assert_int_equal(file_join(path, folder, "run.fst", err), 0);
  options.path = path;
  *ends = (struct ends){0};
  expect_success(sim_open(&ends->sim, &image, &memory, SIM_WAVEFORM, err), err);
  int status =
      sim_observe_waveform(&waveform, ends->sim, &options, estimate ? estimate : &bytes, err);
  if (!status) status = sim_run(ends->sim, &run, &result, err);
  sim_close(ends->sim);
  image_close(&image);
  return status;
}

static void slurp(const char *folder, const char *name, char text[static TEXT]) {
  char path[FILE_PATH_SIZE];
  assert_int_equal(file_join(path, folder, name, NULL), 0);
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("%s is not there", path);
  const size_t n = fread(text, 1, TEXT - 1, f);
  text[n] = 0;
  fclose(f);
}

static off_t size_of(const char *folder, const char *name) {
  char path[FILE_PATH_SIZE];
  struct stat st;
  assert_int_equal(file_join(path, folder, name, NULL), 0);
  return stat(path, &st) ? -1 : st.st_size;
}

static char text[TEXT];

// The size is estimated beforehand; the save file has groups, and every signal in it is one of the
// waveform's scopes.
static void sizes(void **state) {
  static const char *const scopes[] = {"gpt2_top", "softmax,u_layernorm", "gpt2_top:0",
                                       "attention_core:2", "gpt2_core"};
  struct ends ends;
  struct err err;
  off_t size[5];
  for (int i = 0; i < 5; i++) {
    uint64_t estimate;
    expect_success(run_with_waveform(*state,
                                     (struct waveform_options){.scopes = scopes[i],
                                                               .first = 3,
                                                               .last = 4},
                                     &ends, &estimate, &err),
                   &err);
    size[i] = size_of(*state, "run.fst");
    print_message("%s: %lld bytes, expected %llu\n", scopes[i], (long long)size[i],
                  (unsigned long long)estimate);
    assert_true((double)size[i] > 0.5 * (double)estimate && (double)size[i] < 2 * (double)estimate);
    slurp(*state, "run.gtkw", text);
    assert_non_null(strstr(text, "[dumpfile] \"run.fst\"\n"));
    assert_int_equal(strstr(text, "block.gpt2_top.event_o.step_start\n") != NULL, i == 0 || i == 2);
    assert_int_equal(strstr(text, "-memory reads\n") != NULL, i == 0 || i == 2 || i == 4);
    assert_int_equal(strstr(text, "u_softmax.") != NULL, i == 1 || i == 2 || i == 3);
    assert_int_equal(strstr(text, "u_softmax.u_exp2_neg.") != NULL, i == 2);
    assert_int_equal(strstr(text, "-stage 9\n") != NULL, i == 1 || i == 2 || i == 3);
    assert_null(strstr(text, "rd_rsp_data"));
  }
  assert_true(size[2] > 10 * size[0]);
  expect_success(run_with_waveform(*state,
                                   (struct waveform_options){.scopes = "gpt2_top",
                                                             .first = 3,
                                                             .last = 4,
                                                             .wide = true},
                                   &ends, NULL, &err),
                 &err);
  slurp(*state, "run.gtkw", text);
  assert_non_null(strstr(text, "block.gpt2_top.rd_rsp_data_i[2047:0]\n"));
  assert_true(size_of(*state, "run.fst") > 5 * size[0]);
}

// Exactly the cycles of the requested positions, with the hardware's values: fst2vcd shows them.
static void values(void **state) {
  struct ends ends;
  struct err err;
  char command[FILE_PATH_SIZE];
  if (system("command -v fst2vcd > /dev/null")) {
    print_message("skipped: fst2vcd is not installed (Debian's gtkwave)\n");
    skip();
  }
  for (uint64_t first = 0; first < 7; first += 3) {
    const uint64_t last = first < 6 ? first + 1 : first - 1;  // 0 to 1, 3 to 4, 5
    const uint64_t begin = first < 6 ? first : 5;
    expect_success(run_with_waveform(*state,
                                     (struct waveform_options){.scopes = "gpt2_top",
                                                               .first = begin,
                                                               .last = last},
                                     &ends, NULL, &err),
                   &err);
    snprintf(command, sizeof command, "fst2vcd -f '%s/run.fst' -o '%s/run.vcd' 2> /dev/null",
             (char *)*state, (char *)*state);
    assert_int_equal(system(command), 0);
    slurp(*state, "run.vcd", text);
    char clk[8] = "", position[8] = "";
    uint64_t edges = 0, positions[2] = {99, 99};
    size_t n = 0;
    bool values_follow = false, in_step = false;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
      if (strstr(line, " clk_i ")) sscanf(line, "$var wire 1 %7s", clk);
      if (!strncmp(line, "$scope", 6)) in_step = strstr(line, " step ");  // of event_o
      if (in_step && strstr(line, " position ")) sscanf(line, "$var wire 10 %7s", position);
      if (!strcmp(line, "$enddefinitions $end")) values_follow = true;
      if (!values_follow) continue;
      if (line[0] == '1' && !strcmp(line + 1, clk)) edges++;
      const char *space = strchr(line, ' ');
      if (line[0] == 'b' && space && !strcmp(space + 1, position) && n < 2)
        positions[n++] = strtoull(line + 1, NULL, 2);
    }
    // A position starts a few cycles after the end of the previous one, or after the start of the
    // run.
    const uint64_t start = begin ? ends.at[begin - 1] : 0;
    print_message("positions %d to %d: %llu edges\n", (int)begin, (int)last,
                  (unsigned long long)edges);
    assert_in_range(edges, ends.at[last] - start - 6, ends.at[last] - start);
    assert_int_equal(positions[0], begin);
    if (last > begin) assert_int_equal(positions[1], last);
  }
}

// Requests that cannot be met: an unknown module, a bad number of levels, a position that the run
// does not reach, a folder that does not exist.
static void refused(void **state) {
  struct ends ends;
  struct err err;
  const struct waveform_options wrong[] = {{.scopes = "softmux"},
                                           {.scopes = "softmax:"},
                                           {.scopes = "softmax:x"},
                                           {.scopes = "softmax:-1"},
                                           {.scopes = ""},
                                           {.scopes = "gpt2_top", .first = 6, .last = 6}};
  const char *const why[] = {"attention_core, softmax",
                             "number of levels",
                             "number of levels",
                             "number of levels",
                             "no module",
                             "the run ended after 6 positions"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    expect_failure(run_with_waveform(*state, wrong[i], &ends, NULL, &err), &err, why[i]);
  char absent[FILE_PATH_SIZE];
  assert_int_equal(file_join(absent, *state, "absent", NULL), 0);
  expect_failure(run_with_waveform(absent, (struct waveform_options){.scopes = "gpt2_top"}, &ends,
                                   NULL, &err),
                 &err, "cannot be written");
  // Only the files of runs that succeeded remain.
  DIR *dir = opendir(*state);
  assert_non_null(dir);
  for (const struct dirent *e; (e = readdir(dir));) assert_null(strstr(e->d_name, ".tmp-"));
  closedir(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(values),
                                     cmocka_unit_test(refused)};
  return cmocka_run_group_tests_name("waveform", tests, make_folder, remove_folder);
}
