// SPDX-License-Identifier: Apache-2.0
//
// evaluate - perplexity and lambada: the standard measures, on the float reference or the integer
// model
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "engine_options.h"
#include "evaluate.h"
#include "file.h"
#include "parallel.h"
#include "progress.h"

static const char perplexity_help[] =
    "gpt2rtl perplexity - how well a model predicts a text: exp of the mean loss of its tokens\n\n"
    "usage: gpt2rtl perplexity --model DIR --text FILE [OPTION...]\n\n"
    "  --model DIR         the model's folder\n"
    "  --text FILE         the text\n"
    "  --engine E          golden, the default: the integer model, which the hardware equals; "
    "float: the float32 reference\n"
    "  --context N         tokens per window, 2 to the model's context, which is the default\n"
    "  --stride N          tokens from one window to the next, 1 to the context; default half of "
    "it\n"
    "  --limit N           only the first N tokens of the text\n"
    "  --threads N         1 to 256; default: the number of processors. The result is the same "
    "with any number\n"
    "  --json              the result as JSON\n\n"
    "The definition is that of Hugging Face's guide \"Perplexity of fixed-length models\": the "
    "text is one sequence of tokens,\n"
    "a window moves over it by the stride, and in each window those tokens count that no earlier "
    "window contained. (The\n"
    "published figure of 25.19 for GPT-2 124M on WikiText-2's test part is for --context 1024 "
    "--stride 512.)\n\n"
    "example: gpt2rtl perplexity --model models/demo --text story.txt --engine float\n";

static const char lambada_help[] =
    "gpt2rtl lambada - how often a model completes the last word of a passage\n\n"
    "usage: gpt2rtl lambada --model DIR --file JSONL [OPTION...]\n\n"
    "  --model DIR         the model's folder\n"
    "  --file JSONL        one passage per line: {\"text\": \"...\"}, as in OpenAI's "
    "lambada_test.jsonl\n"
    "  --engine E          golden, the default: the integer model, which the hardware equals; "
    "float: the float32 reference\n"
    "  --limit N           only the first N passages\n"
    "  --threads N         1 to 256; default: the number of processors. The result is the same "
    "with any number\n"
    "  --json              the result as JSON\n\n"
    "The definition is that of the task lambada_openai of lm-evaluation-harness. The target is a "
    "space and the last word.\n"
    "Accuracy is the share of targets whose tokens are all the most likely ones. Perplexity is exp "
    "of the mean loss of a\n"
    "target, which is the sum of its tokens' losses. (Published for GPT-2 124M: accuracy 0.3256, "
    "perplexity 40.06.)\n\n"
    "example: gpt2rtl lambada --model models/gpt2 --file lambada_test.jsonl --engine golden\n";

// ------------------------------------------------------------------------------------------ shared

struct run {
  const char *command;
  // as given
  const char *dir, *path;
  enum engine_kind kind;
  uint64_t context, stride, limit, threads;  // 0: not given
  bool json;
  // derived
  struct gpt2_weights weights;  // float
  struct image image;           // golden
  size_t n_ctx;
  struct tokenizer *tokenizer;
  struct file_map file;
  struct scorer *scorers;      // [threads]
  struct token_score *scores;  // [threads][n_ctx]
  struct evaluate_sum *sums;   // [items]
  struct progress progress;
  size_t finished, n_items;
  // perplexity
  uint32_t *ids;
  size_t n_ids;
  struct window *windows;
  // lambada
  struct passage *passages;
};

// Parses the options that both commands have. Returns -1 to continue, or the exit status.
static int parse(struct run *r, const char *help, const char *input, int argc, char **argv) {
  const char *engine = NULL, *context = NULL, *stride = NULL, *limit = NULL, *threads = NULL;
  const bool windows = !strcmp(r->command, "perplexity");
  const struct option_spec specs[] = {
      {"--model", &r->dir, NULL},    {input, &r->path, NULL},       {"--engine", &engine, NULL},
      {"--limit", &limit, NULL},     {"--threads", &threads, NULL}, {"--json", NULL, &r->json},
      {"--context", &context, NULL}, {"--stride", &stride, NULL},
  };
  int status = options_parse(r->command, help, specs, windows ? 8 : 6, argc, argv, NULL);
  if (status >= 0) return status;
  r->kind = ENGINE_GOLDEN;
  r->threads = parallel_processors();
  if (!r->dir) return cli_usage(r->command, "--model is missing");
  if (!r->path) return cli_usage(r->command, "%s is missing", input);
  if (engine && (status = option_engine(r->command, engine, &r->kind))) return status;
  if (r->kind == ENGINE_RTL || r->kind == ENGINE_READABLE)
    return cli_usage(r->command,
                     "--engine %s: golden gives the same numbers, bit for bit, in less time",
                     engine);
  if (context &&
      (status = option_u64(r->command, "--context", context, 2, CONFIG_MAX_CTX, &r->context)))
    return status;
  if (stride &&
      (status = option_u64(r->command, "--stride", stride, 1, CONFIG_MAX_CTX, &r->stride)))
    return status;
  if (limit && (status = option_u64(r->command, "--limit", limit, 1, UINT32_MAX, &r->limit)))
    return status;
  if (threads &&
      (status = option_u64(r->command, "--threads", threads, 1, PARALLEL_MAX, &r->threads)))
    return status;
  return -1;
}

static int load(struct run *r, struct err *err) {
  const bool golden = r->kind == ENGINE_GOLDEN;
  size_t vocab_size;
  if (file_map_open(&r->file, r->path, err)) return -1;
  if (golden ? model_image(&r->image, r->dir, 256, err) : weights_load(&r->weights, r->dir, err))
    return -1;
  r->n_ctx = golden ? r->image.header.n_ctx : r->weights.config.n_ctx;
  vocab_size = golden ? r->image.header.vocab_size : r->weights.config.vocab_size;
  return tokenizer_load(&r->tokenizer, r->dir, vocab_size, err);
}

static int work_window(void *ctx, size_t worker, size_t item, struct err *err) {
  struct run *r = ctx;
  return evaluate_window(&r->sums[item], &r->scorers[worker], r->ids, &r->windows[item],
                         r->scores + worker * r->n_ctx, err);
}

static int work_passage(void *ctx, size_t worker, size_t item, struct err *err) {
  struct run *r = ctx;
  const struct passage *p = &r->passages[item];
  const struct window all = {0, p->count, p->count - p->target};
  return evaluate_window(&r->sums[item], &r->scorers[worker], p->ids, &all,
                         r->scores + worker * r->n_ctx, err);
}

static void finished(void *ctx, size_t item) {
  struct run *r = ctx;
  (void)item;
  progress_show(&r->progress, ++r->finished, NULL);
}

// Runs all items on all threads: r->sums.
static int evaluate(struct run *r, struct err *err) {
  const struct parallel parallel = {r->windows ? work_window : work_passage, finished, r};
  const bool golden = r->kind == ENGINE_GOLDEN;
  if (r->threads > r->n_items) r->threads = r->n_items;
  r->scorers = calloc(r->threads, sizeof *r->scorers);
  r->scores = calloc(r->threads * r->n_ctx, sizeof *r->scores);
  r->sums = calloc(r->n_items, sizeof *r->sums);
  if (!r->scorers || !r->scores || !r->sums) return err_memory(err, "the scores");
  for (size_t i = 0; i < r->threads; i++)
    if (scorer_open(&r->scorers[i], golden ? NULL : &r->weights, golden ? &r->image : NULL,
                    i ? &r->scorers[0] : NULL, err))
      return -1;
  progress_start(&r->progress, r->command, r->n_items);
  const int result = parallel_run(&parallel, r->n_items, r->threads, err);
  progress_end(&r->progress);
  return result;
}

static uint64_t saturations(const struct run *r) {
  uint64_t sum = 0;
  for (size_t i = 0; i < r->threads; i++) sum += scorer_saturations(&r->scorers[i]);
  return sum;
}

static void release(struct run *r) {
  for (size_t i = r->threads; r->scorers && i-- > 0;)
    scorer_close(&r->scorers[i]);  // the first, which lends to the others, last
  for (size_t i = 0; r->passages && i < r->n_items; i++) free(r->passages[i].ids);
  free(r->scorers);
  free(r->scores);
  free(r->sums);
  free(r->windows);
  free(r->passages);
  free(r->ids);
  tokenizer_free(r->tokenizer);
  file_map_close(&r->file);
  image_close(&r->image);
  weights_free(&r->weights);
}

static cJSON *json_of(const struct run *r) {
  cJSON *json = cJSON_CreateObject();
  json_add_name(json, "model", r->dir);
  cJSON_AddStringToObject(json, "engine", engine_names[r->kind]);
  return json;
}

// -------------------------------------------------------------------------------------- perplexity

static int perplexity(struct run *r, struct err *err) {
  if (load(r, err)) return -1;
  if (!r->context) r->context = r->n_ctx;
  if (!r->stride) r->stride = r->context / 2;
  if (r->context > r->n_ctx)
    return err_set(err, "--context %" PRIu64 ": the model's context is %zu", r->context, r->n_ctx);
  if (r->stride > r->context)
    return err_set(err, "--stride %" PRIu64 ": at most the context, %" PRIu64 ", is expected",
                   r->stride, r->context);
  if (tokenizer_encode_part(r->tokenizer, (const char *)r->file.data, r->file.size, &r->ids,
                            &r->n_ids, err))
    return -1;
  if (r->limit && r->n_ids > r->limit) r->n_ids = r->limit;
  if (evaluate_windows(&r->windows, &r->n_items, r->n_ids, r->context, r->stride, err) ||
      evaluate(r, err))
    return -1;

  struct evaluate_sum all = {0};
  for (size_t i = 0; i < r->n_items; i++) {
    all.nll += r->sums[i].nll;
    all.tokens += r->sums[i].tokens;
    all.likely += r->sums[i].likely;
  }
  const double n = (double)all.tokens, loss = all.nll / n;
  if (r->json) {
    cJSON *json = json_of(r);
    json_add_name(json, "text", r->path);
    cJSON_AddNumberToObject(json, "context", (double)r->context);
    cJSON_AddNumberToObject(json, "stride", (double)r->stride);
    cJSON_AddNumberToObject(json, "tokens", n);
    cJSON_AddNumberToObject(json, "perplexity", exp(loss));
    cJSON_AddNumberToObject(json, "loss", loss);
    cJSON_AddNumberToObject(json, "accuracy", (double)all.likely / n);
    cJSON_AddNumberToObject(json, "saturations", (double)saturations(r));
    return stdout_json(json, err);
  }
  printf("perplexity          %.4f\n"
         "loss                %.5f nats per token\n"
         "accuracy            %.2f %% of the tokens were the most likely\n"
         "tokens              %zu of %zu, context %" PRIu64 ", stride %" PRIu64 "\n",
         exp(loss), loss, 100 * (double)all.likely / n, all.tokens, r->n_ids, r->context,
         r->stride);
  if (saturations(r))
    printf("saturations         %" PRIu64 ": gpt2rtl compare names them\n", saturations(r));
  return stdout_write("", 0, err);
}

int perplexity_main(int argc, char **argv) {
  struct run r = {.command = "perplexity"};
  struct err err;
  int status = parse(&r, perplexity_help, "--text", argc, argv);
  if (status < 0) status = perplexity(&r, &err) ? cli_fail(&err) : EXIT_DONE;
  release(&r);
  return status;
}

// ----------------------------------------------------------------------------------------- lambada

// Reads the passage in the file's next line, and moves *at past it. Blank lines are skipped.
static int read_passage(struct run *r, const char **at, size_t line, struct err *err) {
  const char *end = (const char *)r->file.data + r->file.size, *begin = *at;
  const char *newline = memchr(begin, '\n', (size_t)(end - begin));
  size_t length = (size_t)((newline ? newline : end) - begin);
  struct err why;
  int result = 0;
  *at = newline ? newline + 1 : end;
  while (length &&
         (begin[length - 1] == ' ' || begin[length - 1] == '\r' || begin[length - 1] == '\t'))
    length--;
  if (!length) return 0;
  cJSON *json = cJSON_ParseWithLength(begin, length);
  const cJSON *text = cJSON_GetObjectItemCaseSensitive(json, "text");
  if (!cJSON_IsString(text))
    result = err_set(err, "%s: line %zu: expected an object with a string \"text\"", r->path, line);
  else if (evaluate_passage(&r->passages[r->n_items], r->tokenizer, text->valuestring, r->n_ctx,
                            &why))
    result = err_set(err, "%s: line %zu: %.300s", r->path, line, why.text);
  else r->n_items++;
  cJSON_Delete(json);
  return result;
}

static int read_passages(struct run *r, struct err *err) {
  const char *at = (const char *)r->file.data, *end = at + r->file.size;
  size_t lines = 1;
  for (const char *c = at; c < end; c++) lines += *c == '\n';
  r->passages = calloc(lines, sizeof *r->passages);
  if (!r->passages) return err_memory(err, "the passages");
  for (size_t line = 1; at < end && (!r->limit || r->n_items < r->limit); line++)
    if (read_passage(r, &at, line, err)) return -1;
  return r->n_items ? 0 : err_set(err, "%s: contains no passages", r->path);
}

static int lambada(struct run *r, struct err *err) {
  if (load(r, err) || read_passages(r, err) || evaluate(r, err)) return -1;
  double nll = 0;
  size_t right = 0;
  for (size_t i = 0; i < r->n_items; i++) {
    nll += r->sums[i].nll;
    right += r->sums[i].likely == r->sums[i].tokens;
  }
  const double n = (double)r->n_items, accuracy = (double)right / n, perplexity = exp(nll / n);
  if (r->json) {
    cJSON *json = json_of(r);
    json_add_name(json, "file", r->path);
    cJSON_AddNumberToObject(json, "passages", n);
    cJSON_AddNumberToObject(json, "accuracy", accuracy);
    cJSON_AddNumberToObject(json, "perplexity", perplexity);
    cJSON_AddNumberToObject(json, "saturations", (double)saturations(r));
    return stdout_json(json, err);
  }
  printf("accuracy            %.4f\n"
         "perplexity          %.4f\n"
         "passages            %zu\n",
         accuracy, perplexity, r->n_items);
  if (saturations(r))
    printf("saturations         %" PRIu64 ": gpt2rtl compare names them\n", saturations(r));
  return stdout_write("", 0, err);
}

int lambada_main(int argc, char **argv) {
  struct run r = {.command = "lambada"};
  struct err err;
  int status = parse(&r, lambada_help, "--file", argc, argv);
  if (status < 0) status = lambada(&r, &err) ? cli_fail(&err) : EXIT_DONE;
  release(&r);
  return status;
}
