// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "cli.h"
#include "file.h"
#include "interrupt.h"

static const char help[] =
    "gpt2rtl - GPT-2 inference on simulated hardware\n\n"
    "usage: gpt2rtl COMMAND [OPTION...]\n\n"
    "  generate      continue a text\n"
    "  report        continue a text and write a web page of the run\n"
    "  board         continue a text on a board, over its cable\n"
    "  logits        the logits of every position, as float32\n"
    "  perplexity    how well a model predicts a text\n"
    "  lambada       how often a model completes the last word of a passage\n"
    "  compare       the error of the integers against float32, tensor by tensor\n"
    "  bench         the speed of the golden engine on this machine\n"
    "  estimate      the speed of the hardware with a given memory and clock\n"
    "  dump          an intermediate tensor, as a NumPy file\n"
    "  tokenize      convert text on standard input to token ids\n"
    "  detokenize    convert token ids on standard input to text\n"
    "  fetch         download a model's weights and tokenizer from their publisher\n"
    "  compile       compile a model folder to a memory image\n"
    "  info          describe and check a model folder or a memory image\n"
    "  cache         list or clear the cached images and simulators\n"
    "  random-model  write a model folder with random weights, for tests\n\n"
    "gpt2rtl COMMAND --help lists the options with their ranges and defaults.\n"
    "DIR is a model folder in the Hugging Face layout: config.json; model.safetensors or shards "
    "with their index;\n"
    "vocab.json and merges.txt, or tokenizer.json (docs/models.md).\n"
    "Exit status: 0 success, 1 failure, 2 wrong usage. SIGINT, SIGTERM and SIGHUP end it by that "
    "signal (a shell sees 128 +\n"
    "its number) and leave nothing half-written.\n\n"
    "example: gpt2rtl generate --model models/demo --prompt 'Once upon a time' --tokens 100 "
    "--temperature 0.8\n";

static const struct command {
  const char *name;
  int (*run)(int argc, char **argv);
} commands[] = {
    {"generate", generate_main},
    {"report", report_main},
    {"board", board_main},
    {"logits", logits_main},
    {"dump", dump_main},
    {"tokenize", tokenize_main},
    {"detokenize", detokenize_main},
    {"compile", compile_main},
    {"info", info_main},
    {"random-model", random_model_main},
    {"fetch", fetch_main},
    {"perplexity", perplexity_main},
    {"lambada", lambada_main},
    {"compare", compare_main},
    {"bench", bench_main},
    {"estimate", estimate_main},
    {"cache", cache_main},
};

// If the caller closed descriptor 0, 1 or 2, the next file opened would get it, and output could go
// into that file. So it is replaced by one for which reads and writes fail.
static int keep_standard_files(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) return -1;
  return 0;
}

int main(int argc, char **argv) {
  if (keep_standard_files()) return EXIT_FAILED;
  signal(SIGPIPE, SIG_IGN);  // a closed standard output is an error like a full disk
  signal(SIGXFSZ, SIG_IGN);  // so is a file that may not grow
  interrupt_install();
  file_guard_install();
  if (argc < 2) {
    fputs(help, stderr);
    return EXIT_USAGE;
  }
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (!strcmp(argv[1], commands[i].name)) return commands[i].run(argc - 2, argv + 2);
  struct err err;
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
    return stdout_write(help, strlen(help), &err) ? cli_fail(&err) : EXIT_DONE;
  if (!strcmp(argv[1], "--version"))
    return stdout_write("gpt2rtl " GPT2RTL_VERSION "\n", strlen("gpt2rtl " GPT2RTL_VERSION "\n"),
                        &err)
               ? cli_fail(&err)
               : EXIT_DONE;
  cli_say("unknown command '%s'", argv[1]);
  fputs("gpt2rtl --help lists the commands\n", stderr);
  return EXIT_USAGE;
}
