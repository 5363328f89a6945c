// SPDX-License-Identifier: Apache-2.0
#include "board.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "counters.h"
#include "engine_options.h"
#include "interrupt.h"
#include "progress.h"
#include "token_text.h"

static const char help[] =
    "gpt2rtl board - continues a text on a board with the hardware, over its cable\n"
    "\n"
    "usage: gpt2rtl board --port PORT --model DIR --prompt TEXT [OPTION...]\n"
    "       gpt2rtl board --port PORT\n"
    "\n"
    "  --port PORT         the board's serial port, /dev/ttyUSB0, or tcp:HOST:PORT of a simulated "
    "board (make board-sim).\n"
    "                      Without further options it describes the board\n"
    "  --baud N            rate of the serial port; default 1000000, the rate of the bitstreams\n"
    "  --model DIR         the model's folder. Its memory image is loaded into the board's memory "
    "unless it is there already\n"
    "  --prompt TEXT       the text to continue; an empty text starts from the model's "
    "bos_token_id\n"
    "  --tokens N          number of tokens to generate, 1 to 1000000; default 100\n"
    "  --ignore-eos        continue after the end-of-text token\n"
    "  --temperature T     0 takes the most likely token each time; 0.01 to 100 draws. Default 0, "
    "or 1 with --top-k or --seed\n"
    "  --top-k K           draw among the K most likely, 1 to 64; default 40\n"
    "  --seed S            seed of the random draws, 0 to 2^64 - 1; by default it comes from the "
    "clock and is printed\n"
    "\n"
    "The text equals that of gpt2rtl generate --engine golden with the same options. Standard "
    "error ends with tokens, cycles\n"
    "per position by the board's counters, positions per second, and what the engine waited for. "
    "After SIGINT, SIGTERM or\n"
    "SIGHUP it ends the run on the board first.\n"
    "\n"
    "example: gpt2rtl board --port /dev/ttyUSB0 --model models/demo --prompt 'Once upon a time'\n";

static const char command[] = "board";
enum { PIECE = 16384, END_SECONDS = 5 };

struct run {
  // as given
  const char *port, *dir, *prompt;
  unsigned baud;
  uint32_t tokens;
  bool ignore_eos;
  struct sampling sampling;
  struct drawing_options drawing;
  // derived
  struct board board;
  struct gpt2hw dev;
  struct gpt2rtl_model *model;
  struct image image;
  uint32_t *ids;
  size_t n_ids;
  struct token_text text;
  struct gpt2rtl_result result;
  struct err stopped;  // why on_token has ended the run; "" at an end of the text
};

// ----------------------------------------------------------------------------------------- options

// Returns -1 to continue, or the exit status.
static int parse(struct run *r, int argc, char **argv) {
  const char *baud = NULL, *tokens = NULL, *temperature = NULL, *top_k = NULL, *seed = NULL;
  uint64_t n = 100, rate = 1000000;
  const struct option_spec specs[] = {
      {"--port", &r->port, NULL},
      {"--baud", &baud, NULL},
      {"--model", &r->dir, NULL},
      {"--prompt", &r->prompt, NULL},
      {"--tokens", &tokens, NULL},
      {"--ignore-eos", NULL, &r->ignore_eos},
      {"--temperature", &temperature, NULL},
      {"--top-k", &top_k, NULL},
      {"--seed", &seed, NULL},
  };
  int status = options_parse(command, help, specs, sizeof specs / sizeof *specs, argc, argv, NULL);
  if (status >= 0) return status;
  if (!r->port) return cli_usage(command, "--port is missing");
  if (!r->dir != !r->prompt)
    return cli_usage(command, "%s is missing", r->dir ? "--prompt" : "--model");
  if (baud && (status = option_u64(command, "--baud", baud, 1, 100000000, &rate))) return status;
  if (tokens && (status = option_u64(command, "--tokens", tokens, 1, 1000000, &n))) return status;
  r->baud = (unsigned)rate;
  r->tokens = (uint32_t)n;
  if ((status = option_drawing(command, temperature, top_k, seed, false, &r->drawing)))
    return status;
  const struct drawing_options *d = &r->drawing;
  r->sampling = (struct sampling){.top_k = d->draws ? d->top_k : 1,
                                  .inv_t = sampling_inv_t(d->draws ? d->temperature : 1),
                                  .state = sampling_seed(d->seed)};
  return -1;
}

// ------------------------------------------------------------------------------------------- model

static int refused(struct run *r, enum gpt2hw_error error, struct err *err) {
  if (board_failed(&r->board, err)) return -1;
  return error ? err_set(err, "%s: %s", r->board.about.name, gpt2hw_error_text(error)) : 0;
}

static int on_text(void *ctx, const char *bytes, size_t n) {
  struct run *r = ctx;
  return stdout_write(bytes, n, &r->stopped);
}

// Loads the model, the prompt's ids, and the image for the board's lanes.
static int load_model(struct run *r, struct err *err) {
  struct gpt2rtl_request request = {.size = sizeof request, .prompt = r->prompt, .tokens = 1};
  if (gpt2rtl_model_open(&r->model, r->dir, public_error(err))) return -1;
  if (!r->model->tokenizer) return *err = r->model->no_tokenizer, -1;
  if (gpt2rtl_prompt_ids(r->model, &request, &r->ids, &r->n_ids, public_error(err))) return -1;
  r->text = (struct token_text){.model = r->model,
                                .ignore_end = r->ignore_eos,
                                .show = on_text,
                                .ctx = r,
                                .result = &r->result};
  if (token_text_open(&r->text, err)) return -1;
  return model_image(&r->image, r->dir, r->dev.can.lanes, err);
}

static int open_hardware(struct run *r, struct err *err) {
  const struct gpt2hw_host host = board_host(&r->board);
  bool started;
  if (board_open(&r->board, r->port, r->baud, err)) return -1;
  if (refused(r, gpt2hw_open(&r->dev, &host), err)) return -1;
  const struct board_description *about = &r->board.about;
  char batch[64] = "";
  if (r->dev.can.positions > 1)
    snprintf(batch, sizeof batch, ", batches of %u positions on %u engines",
             (unsigned)r->dev.can.positions, (unsigned)r->dev.can.engines);
  fprintf(stderr,
          "gpt2rtl: %s: %.0f MHz, %u MB, %u lanes%s, models of up to %u heads and %u positions\n",
          about->name, about->clock / 1e6, (unsigned)(about->memory_bytes >> 20),
          (unsigned)r->dev.can.lanes, batch, (unsigned)r->dev.can.max_heads,
          (unsigned)r->dev.can.max_context);
  // Ends a run that an earlier program left on the board.
  if (refused(r, gpt2hw_reset(&r->dev), err)) return -1;
  if (board_start_memory(&r->board, &started, err)) return -1;
  if (started) cli_say("the board's memory is initialised");
  return 0;
}

static uint64_t pages(uint64_t bytes) { return (bytes + 4095) & ~UINT64_C(4095); }

// Whether the board's memory holds the image.
static int is_there(struct run *r, const struct board_sums *sums, bool *there, struct err *err) {
  struct board_sums found;
  const uint64_t bytes = r->image.header.n_beats * r->image.header.lanes;
  if (board_sums_read(&r->board, 0, (uint32_t)(bytes / 4), &found, err)) return -1;
  *there = found.a == sums->a && found.b == sums->b;
  return 0;
}

static int send_image(struct run *r, const struct gpt2hw_place *place, struct err *err) {
  const uint64_t bytes = r->image.header.n_beats * r->image.header.lanes;
  struct progress bar;
  const double begin = clock_now();
  if (refused(r, gpt2hw_load_begin(&r->dev, place, &r->image.header), err)) return -1;
  progress_start(&bar, "loading the model into the board's memory", bytes);
  enum gpt2hw_error error = GPT2HW_OK;
  for (uint64_t at = 0; at < bytes && !error && !interrupt_pending(); at += PIECE) {
    const uint64_t n = bytes - at < PIECE ? bytes - at : PIECE;
    progress_show(&bar, at, NULL);
    error = gpt2hw_load_bytes(&r->dev, r->image.beats + at, n);
  }
  progress_end(&bar);
  if (interrupt_pending()) return err_set(err, "interrupted");
  if (!error) error = gpt2hw_load_end(&r->dev);
  if (refused(r, error, err)) return -1;
  cli_say("loaded %.1f MB in %.1f s", (double)bytes / 1e6, clock_now() - begin);
  return 0;
}

// Loads the image into the board's memory unless it is there already.
static int load_image(struct run *r, struct err *err) {
  const struct board_description *about = &r->board.about;
  const uint64_t bytes = r->image.header.n_beats * r->image.header.lanes;
  struct gpt2hw_model model;
  struct board_sums sums = {0};
  bool there;
  if (refused(r, gpt2hw_parse(&r->dev, &r->image.header, &model), err)) return -1;
  const uint64_t kv_bytes = pages(gpt2hw_kv_bytes(&r->dev, &model));
  const struct gpt2hw_place place = {.image_base = about->memory,
                                     .kv_base = about->memory + pages(bytes)};
  if (pages(bytes) + kv_bytes > about->memory_bytes)
    return err_set(err,
                   "%s: the model takes %.1f MB with its cache, and %s has %.1f MB of memory: a "
                   "smaller model or a board with more is needed",
                   r->dir, (double)(pages(bytes) + kv_bytes) / 1e6, about->name,
                   about->memory_bytes / 1e6);
  board_sums_add(&sums, r->image.beats, bytes / 4);
  if (is_there(r, &sums, &there, err)) return -1;
  if (there) {
    cli_say("the board's memory already holds the model");
    return refused(r, gpt2hw_attach(&r->dev, &place, &r->image.header), err);
  }
  if (send_image(r, &place, err) || is_there(r, &sums, &there, err)) return -1;
  if (!there)
    return err_set(err,
                   "%s: the memory does not hold what was sent: bytes were lost on the cable, or "
                   "the memory is not what the bitstream expects",
                   about->name);
  return 0;
}

// --------------------------------------------------------------------------------------------- run

static int on_token(void *ctx, uint32_t id) {
  struct run *r = ctx;
  if (interrupt_pending()) return 1;
  r->result.tokens++;
  return token_text_push(&r->text, id, &r->stopped);
}

// The hardware ends a run when the memory has answered all outstanding requests.
static _Noreturn void end_interrupted(struct run *r) {
  const double begin = clock_now();
  struct err err;
  gpt2hw_abort(&r->dev);
  bool busy = true;
  while (busy && !board_failed(&r->board, &err) && clock_now() - begin < END_SECONDS)
    busy = gpt2hw_poll(&r->dev).busy;
  if (isatty(STDOUT_FILENO)) putchar('\n');
  fflush(stdout);
  cli_say("interrupted after %zu of %u tokens; the run on the board %s", r->result.tokens,
          (unsigned)r->tokens, busy ? "may continue" : "has ended");
  interrupt_end();
}

static void summary(struct run *r, double seconds) {
  struct sim_counters c = {.cycles = gpt2hw_cycles(&r->dev)};
  for (unsigned phase = 0; phase < COUNT_PHASES; phase++)
    for (unsigned what = 0; what < COUNT_WHATS; what++)
      c.at[phase][what] = gpt2hw_count(&r->dev, phase, what);
  const uint32_t saturations = gpt2hw_saturations(&r->dev);
  struct err err;
  if (board_failed(&r->board, &err)) {
    cli_say("%s", err.text);
    return;
  }
  // The last chosen token is not computed.
  const double positions = (double)(r->n_ids + r->result.tokens) - 1, cycles = (double)c.cycles;
  const enum count_what bound = counters_bound(&c);
  fprintf(stderr,
          "gpt2rtl: %zu tokens, %.0f cycles per position, %.2f positions per second at %.0f MHz; "
          "%.1f s here\n",
          r->result.tokens, cycles / positions, r->board.about.clock * positions / cycles,
          r->board.about.clock / 1e6, seconds);
  fprintf(stderr,
          "gpt2rtl: the engine was idle in %.1f %% of the cycles, most of them for %s (%.1f %%)\n",
          100 * (cycles - (double)counters_used(&c)) / cycles, count_what_name[bound],
          100 * (double)counters_of(&c, bound) / cycles);
  if (saturations)
    cli_say("%u numbers were too large for their format and were clipped: the result is not exact",
            (unsigned)saturations);
}

static int generate(struct run *r, struct err *err) {
  const struct gpt2hw_run settings = {.max_new = r->tokens,
                                      .stop_enabled = !r->ignore_eos && r->model->config.n_eos > 0,
                                      .stop_id = config_eos(&r->model->config),
                                      .top_k = r->sampling.top_k,
                                      .inv_t = r->sampling.inv_t,
                                      .seed = r->sampling.state};
  const double begin = clock_now();
  if (r->drawing.draws && !r->drawing.seed_given)
    cli_say("--seed %llu", (unsigned long long)r->drawing.seed);
  const enum gpt2hw_error error =
      gpt2hw_generate(&r->dev, &settings, r->ids, r->n_ids, on_token, r);
  const double seconds = clock_now() - begin;
  if (interrupt_pending()) end_interrupted(r);
  if (board_failed(&r->board, err)) return -1;
  if (r->stopped.text[0]) return *err = r->stopped, -1;
  if (error && error != GPT2HW_ABORTED)
    return err_set(err, "%s ended the run with error %u: %s", r->board.about.name, (unsigned)error,
                   gpt2hw_error_text(error));
  if (token_text_finish(&r->text, err)) return -1;
  if (r->stopped.text[0]) return *err = r->stopped, -1;
  if (isatty(STDOUT_FILENO) && stdout_write("\n", 1, err)) return -1;
  summary(r, seconds);
  return 0;
}

int board_main(int argc, char **argv) {
  struct run r = {0};
  struct err err = {""};
  int status = parse(&r, argc, argv);
  if (status < 0) {
    interrupt_hold();
    status = open_hardware(&r, &err) ||
                     (r.dir && (load_model(&r, &err) || load_image(&r, &err) || generate(&r, &err)))
                 ? cli_fail(&err)
                 : EXIT_DONE;
    interrupt_release();
  }
  board_close(&r.board);
  image_close(&r.image);
  gpt2rtl_model_close(r.model);
  free(r.ids);
  token_text_free(&r.text);
  return status;
}
