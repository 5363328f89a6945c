// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cli.h"
#include "tokenizer.h"

static const char tokenize_help[] =
    "gpt2rtl tokenize - converts text on standard input to token ids, decimal numbers separated by "
    "spaces\n\n"
    "usage: gpt2rtl tokenize --model DIR [--json] < TEXT\n\n"
    "  --model DIR         a folder with vocab.json and merges.txt, or tokenizer.json; weights are "
    "not needed\n"
    "  --json              {\"ids\": [...]}\n\n"
    "Any bytes can be encoded. Added tokens in the text, such as <|endoftext|>, keep their own "
    "ids. If the folder asks for\n"
    "tokens before or after the text (add_bos_token, a template), they are added.\n\n"
    "example: echo -n 'Once upon a time' | gpt2rtl tokenize --model models/demo\n";

static const char detokenize_help[] =
    "gpt2rtl detokenize - converts token ids on standard input to their bytes\n\n"
    "usage: gpt2rtl detokenize --model DIR [--json] < IDS\n\n"
    "  --model DIR         a folder with vocab.json and merges.txt, or tokenizer.json; weights are "
    "not needed\n"
    "  --json              {\"text\": \"...\"}; bytes that are not UTF-8, and zeros, become "
    "U+FFFD\n\n"
    "Ids are decimal numbers separated by blanks or line ends. An id of the model (config.json) "
    "that has no token gives no bytes.\n\n"
    "example: echo '12 7 300' | gpt2rtl detokenize --model models/demo\n";

// Loads the tokenizer of --model, and reads all of standard input. Returns -1 to continue, or the
// exit status.
static int open_input(const char *command, const char *help, int argc, char **argv,
                      struct tokenizer **tokenizer, char **text, size_t *length, bool *json) {
  const bool decodes =
      !strcmp(command,
              "detokenize");  // ids that the model has and the tokenizer lacks are allowed
  const char *dir = NULL;
  const struct option_spec specs[] = {{"--model", &dir, NULL}, {"--json", NULL, json}};
  struct err err;
  const int status = options_parse(command, help, specs, 2, argc, argv, NULL);
  if (status >= 0) return status;
  if (!dir) return cli_usage(command, "--model is missing");
  if (tokenizer_load(tokenizer, dir, decodes ? config_vocab_size(dir) : 0, &err))
    return cli_fail(&err);
  if (!input_read("-", text, length, &err)) return -1;
  tokenizer_free(*tokenizer);
  return cli_fail(&err);
}

static int print_ids(const uint32_t *ids, size_t count, bool json, struct err *err) {
  if (json) {
    cJSON *object = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(object, "ids");
    for (size_t i = 0; i < count; i++) cJSON_AddItemToArray(list, cJSON_CreateNumber(ids[i]));
    return stdout_json(object, err);
  }
  for (size_t i = 0; i < count; i++)
    if (printf(i ? " %u" : "%u", (unsigned)ids[i]) < 0) break;
  return stdout_write("\n", 1, err);
}

int tokenize_main(int argc, char **argv) {
  struct tokenizer *tokenizer;
  char *text;
  size_t length, count;
  uint32_t *ids = NULL;
  struct err err;
  bool json = false;
  const int status =
      open_input("tokenize", tokenize_help, argc, argv, &tokenizer, &text, &length, &json);
  if (status >= 0) return status;
  const bool failed = tokenizer_encode(tokenizer, text, length, &ids, &count, &err) ||
                      print_ids(ids, count, json, &err);
  free(ids);
  free(text);
  tokenizer_free(tokenizer);
  return failed ? cli_fail(&err) : EXIT_DONE;
}

// Writes the bytes of each id to out. Errors: a word that is not a number, or not an id of the
// vocabulary.
static int print_tokens(const struct tokenizer *tokenizer, const char *text, size_t length,
                        FILE *out, struct err *err) {
  static const char blanks[] = " \t\r\n\v\f";
  for (const char *at = text + strspn(text, blanks); at < text + length; at += strspn(at, blanks)) {
    char *end;
    size_t bytes;
    errno = 0;
    const unsigned long long id =
        *at >= '0' && *at <= '9' ? strtoull(at, &end, 10) : (end = NULL, 0ull);
    if (!end || (!*end && end < text + length) || (*end && !strchr(blanks, *end)))
      return err_set(err, "standard input, byte %zu: '%.20s' is not a token id",
                     (size_t)(at - text), at);
    if (errno || id >= tokenizer_ids(tokenizer))
      return err_set(err, "standard input, byte %zu: id %.*s is not in the vocabulary of %zu ids",
                     (size_t)(at - text), (int)(end - at), at, tokenizer_ids(tokenizer));
    const char *token = tokenizer_token(tokenizer, (uint32_t)id, &bytes);
    if (token && fwrite(token, 1, bytes, out) != bytes) break;
    at = end;
  }
  return out == stdout ? stdout_write("", 0, err) : 0;
}

static int print_json(const struct tokenizer *tokenizer, const char *text, size_t length,
                      struct err *err) {
  char *bytes = NULL;
  size_t n;
  FILE *f = open_memstream(&bytes, &n);
  int result = f ? print_tokens(tokenizer, text, length, f, err) : err_memory(err, "the text");
  if (f && fclose(f) && !result) result = err_memory(err, "the text");
  if (!result) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "text", text_json(bytes, n));
    result = stdout_json(json, err);
  }
  free(bytes);
  return result;
}

int detokenize_main(int argc, char **argv) {
  struct tokenizer *tokenizer;
  char *text;
  size_t length;
  struct err err;
  bool json = false;
  const int status =
      open_input("detokenize", detokenize_help, argc, argv, &tokenizer, &text, &length, &json);
  if (status >= 0) return status;
  const int result = json ? print_json(tokenizer, text, length, &err)
                          : print_tokens(tokenizer, text, length, stdout, &err);
  free(text);
  tokenizer_free(tokenizer);
  return result ? cli_fail(&err) : EXIT_DONE;
}
