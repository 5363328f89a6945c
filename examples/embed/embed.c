// SPDX-License-Identifier: Apache-2.0
//
// embed FOLDER PROMPT [golden | float | rtl] - GPT-2 in your own program, by libgpt2rtl
//
//   cc embed.c $(pkg-config --cflags --libs gpt2rtl) -o embed
//   ./embed models/demo 'Once upon a time' rtl
#include <gpt2rtl.h>
#include <stdio.h>
#include <string.h>

// Shows what has come so far. Whatever it returns but 0 would end the text.
static int on_text(void *ctx, const char *bytes, size_t n) {
  (void)ctx;
  return fwrite(bytes, 1, n, stdout) != n || fflush(stdout) != 0;
}

static int on_position(void *ctx, const struct gpt2rtl_position_report *report) {
  *(uint64_t *)ctx = report->cycles;
  return 0;
}

static int run(const char *folder, const char *prompt, enum gpt2rtl_kind kind,
               struct gpt2rtl_error *error) {
  struct gpt2rtl_model *model = NULL;
  struct gpt2rtl_engine *engine = NULL;
  struct gpt2rtl_result result;
  uint64_t cycles = 0;
  const struct gpt2rtl_options options = {.size = sizeof options, .kind = kind, .threads = 2};
  const struct gpt2rtl_request request = {.size = sizeof request,
                                          .prompt = prompt,
                                          .tokens = 60,
                                          .temperature = 0.8,
                                          .seed = 7,
                                          .ctx = &cycles,
                                          .text = on_text,
                                          .position = on_position};
  int status = gpt2rtl_model_open(&model, folder, error);
  if (!status) status = gpt2rtl_engine_open(&engine, model, &options, error);
  if (!status) status = gpt2rtl_generate(engine, &request, &result, error);
  if (!status) {
    printf("\n%zu tokens", result.tokens);
    if (cycles) printf(", %llu cycles of the hardware", (unsigned long long)cycles);
    puts(result.ending == GPT2RTL_END_TOKEN ? ", the end of the text" : "");
  }
  gpt2rtl_engine_close(engine);
  gpt2rtl_model_close(model);
  return status;
}

int main(int argc, char **argv) {
  static const char *const kinds[] = {"golden", "golden-readable", "float", "rtl"};
  struct gpt2rtl_error error;
  int kind = 0;
  while (argc == 4 && kind < 4 && strcmp(argv[3], kinds[kind]) != 0) kind++;
  if (argc < 3 || argc > 4 || kind == 4) {
    fprintf(stderr, "usage: embed FOLDER PROMPT [golden | float | rtl]\n");
    return 2;
  }
  if (run(argv[1], argv[2], (enum gpt2rtl_kind)kind, &error) == 0) return 0;
  fprintf(stderr, "embed: %s\n", error.text);
  return 1;
}
