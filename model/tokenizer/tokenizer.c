// SPDX-License-Identifier: Apache-2.0
#include "tokenizer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bpe.h"
#include "file.h"
#include "json_util.h"
#include "merges.h"
#include "pretokenizer.h"
#include "tokenizer_config.h"
#include "tokenizer_json.h"
#include "utf8.h"
#include "vocabulary.h"

static const char end_of_text[] = "<|endoftext|>";

struct tokenizer {
  struct vocabulary vocabulary;
  uint32_t byte_ids[256];  // ids of the tokens of one byte
  uint32_t end_of_text;
  size_t rows;              // of the model's embedding, or SIZE_MAX if unknown
  uint32_t *added;          // ids of the tokens that are found before the text is split:
  size_t n_added, n_first;  // n_first of them in the whole text, the others in the rest
  bool prefix_space;        // put a space before each stretch of text that lacks one
  struct tokenizer_template around;
  struct bpe bpe;
  struct pretokenizer *pretokenizer;
};

// ----------------------------------------------------------------------------------------- loading

static bool is_added(const struct tokenizer *t, size_t id) {
  for (size_t i = 0; i < t->n_added; i++)
    if (t->added[i] == id) return true;
  return false;
}

// Checks that the vocabulary can encode any text, and that it suits a model of vocab_size ids. path
// is the vocabulary's.
static int check(struct tokenizer *t, const char *path, size_t vocab_size, struct err *err) {
  // Trainers round the vocabulary up to a multiple of 8 to 1024; the ids after the vocabulary have
  // no text. Added tokens may have no row in the model: a padding token, for example, is never
  // computed.
  const size_t count = t->vocabulary.count;
  size_t needed = count;
  while (needed > vocab_size && is_added(t, needed - 1)) needed--;
  if (vocab_size != 0 && (needed > vocab_size || vocab_size >= count + 1024)) {
    return err_set(err, "%s: %zu tokens, but the model has %zu: take both from the same folder",
                   path, count, vocab_size);
  }
  t->rows = vocab_size == 0 ? SIZE_MAX : vocab_size;
  for (unsigned byte = 0; byte < 256; byte++) {
    unsigned char bytes[1] = {(unsigned char)byte};
    t->byte_ids[byte] = vocabulary_find(&t->vocabulary, bytes, 1);
    if (t->byte_ids[byte] == VOCABULARY_NO_TOKEN) {
      return err_set(err, "%s: no token for byte 0x%02X: some text could not be encoded", path,
                     byte);
    }
  }
  t->end_of_text = vocabulary_find(&t->vocabulary, end_of_text, sizeof end_of_text - 1);
  return 0;
}

// Stores the added tokens from tokenizer_config_merge, with those that are searched for first in
// front.
static int take_added(struct tokenizer *t, const cJSON *list, struct err *err) {
  const cJSON *entry;
  t->added = malloc(((size_t)cJSON_GetArraySize(list) + 1) * sizeof *t->added);
  if (!t->added) return err_memory(err, "the added tokens");
  for (int normalized = 0; normalized <= 1; normalized++) {
    cJSON_ArrayForEach(entry, list) {
      if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(entry, "normalized")) == normalized) {
        t->added[t->n_added++] =
            (uint32_t)cJSON_GetObjectItemCaseSensitive(entry, "id")->valuedouble;
      }
    }
    t->n_first = normalized == 0 ? t->n_added : t->n_first;
  }
  return 0;
}

// add_bos_token and add_eos_token: they count only for the pair of files.
static int take_ends(struct tokenizer *t, const struct tokenizer_config *config, struct err *err) {
  const struct vocabulary *v = &t->vocabulary;
  const char *ends[2] = {config->add_bos ? config->bos : NULL,
                         config->add_eos ? config->eos : NULL};
  for (size_t i = 0; i < 2; i++) {
    const uint32_t id =
        !ends[i] ? VOCABULARY_NO_TOKEN : vocabulary_find(v, ends[i], strlen(ends[i]));
    if (id == VOCABULARY_NO_TOKEN) continue;
    uint32_t *ids = malloc(sizeof *ids);
    if (!ids) return err_memory(err, "the template");
    ids[0] = id;
    *(i == 0 ? &t->around.before : &t->around.after) = ids;
    *(i == 0 ? &t->around.n_before : &t->around.n_after) = 1;
  }
  return 0;
}

static int load_pair(struct tokenizer *t, const struct tokenizer_config *config,
                     const char *vocab_path, const char *merges_path, size_t vocab_size,
                     struct err *err) {
  cJSON *root, *added = NULL;
  if (json_read(&root, vocab_path, err) != 0) return -1;
  int result = tokenizer_config_merge(config, root, NULL, vocab_path, &added, err) != 0 ||
                       vocabulary_read(&t->vocabulary, root, added, vocab_path, err) != 0 ||
                       take_added(t, added, err) != 0 ||
                       check(t, vocab_path, vocab_size, err) != 0 ||
                       merges_load(&t->bpe, &t->vocabulary, merges_path, err) != 0
                   ? -1
                   : take_ends(t, config, err);
  cJSON_Delete(added);
  cJSON_Delete(root);
  return result;
}

static int load_json(struct tokenizer *t, const struct tokenizer_config *config, const char *path,
                     size_t vocab_size, struct err *err) {
  cJSON *added;
  int result =
      tokenizer_json_read(&t->vocabulary, &t->bpe, &t->around, &added, config, path, err) != 0 ||
              take_added(t, added, err) != 0
          ? -1
          : check(t, path, vocab_size, err);
  cJSON_Delete(added);
  return result;
}

// path is a tokenizer.json if merges_path is NULL, otherwise a vocab.json.
static int load(struct tokenizer **tokenizer, const struct tokenizer_config *config,
                const char *path, const char *merges_path, size_t vocab_size, struct err *err) {
  *tokenizer = NULL;
  struct tokenizer *t = calloc(1, sizeof *t);
  if (!t) return err_memory(err, "the tokenizer");
  t->prefix_space = config->add_prefix_space;
  if ((!merges_path ? load_json(t, config, path, vocab_size, err)
                    : load_pair(t, config, path, merges_path, vocab_size, err)) != 0 ||
      pretokenizer_create(&t->pretokenizer, err) != 0) {
    tokenizer_free(t);
    return -1;
  }
  *tokenizer = t;
  return 0;
}

// Reads the settings in dir (NULL if there are none) and loads the files.
static int load_configured(struct tokenizer **tokenizer, const char *dir, const char *path,
                           const char *merges_path, size_t vocab_size, struct err *err) {
  struct tokenizer_config config;
  *tokenizer = NULL;
  int result = tokenizer_config_read(&config, dir, err) != 0
                   ? -1
                   : load(tokenizer, &config, path, merges_path, vocab_size, err);
  tokenizer_config_free(&config);
  return result;
}

int tokenizer_load_files(struct tokenizer **tokenizer, const char *vocab_path,
                         const char *merges_path, size_t vocab_size, struct err *err) {
  return load_configured(tokenizer, NULL, vocab_path, merges_path, vocab_size, err);
}

int tokenizer_load(struct tokenizer **tokenizer, const char *dir, size_t vocab_size,
                   struct err *err) {
  char json_path[FILE_PATH_SIZE];
  char vocab_path[FILE_PATH_SIZE];
  char merges_path[FILE_PATH_SIZE];
  *tokenizer = NULL;
  if (file_join(json_path, dir, "tokenizer.json", err) != 0 ||
      file_join(vocab_path, dir, "vocab.json", err) != 0 ||
      file_join(merges_path, dir, "merges.txt", err) != 0)
    return -1;
  if (file_exists(json_path))
    return load_configured(tokenizer, dir, json_path, NULL, vocab_size, err);
  if (!file_exists(vocab_path) && !file_exists(merges_path)) {
    return err_set(err, "%s: no tokenizer, expected vocab.json and merges.txt, or tokenizer.json",
                   dir);
  }
  return load_configured(tokenizer, dir, vocab_path, merges_path, vocab_size, err);
}

void tokenizer_free(struct tokenizer *tokenizer) {
  if (tokenizer) {
    vocabulary_free(&tokenizer->vocabulary);
    bpe_free(&tokenizer->bpe);
    free(tokenizer->added);
    tokenizer_template_free(&tokenizer->around);
    pretokenizer_free(tokenizer->pretokenizer);
    free(tokenizer);
  }
}

size_t tokenizer_vocab_size(const struct tokenizer *tokenizer) {
  return tokenizer->vocabulary.count;
}

size_t tokenizer_ids(const struct tokenizer *tokenizer) {
  const size_t count = tokenizer->vocabulary.count, rows = tokenizer->rows;
  return rows != SIZE_MAX && rows > count ? rows : count;
}

uint32_t tokenizer_find(const struct tokenizer *tokenizer, const void *bytes, size_t length) {
  return vocabulary_find(&tokenizer->vocabulary, bytes, length);
}

uint32_t tokenizer_end_of_text(const struct tokenizer *tokenizer) { return tokenizer->end_of_text; }

// ---------------------------------------------------------------------------------------- encoding

struct encoder {
  const struct tokenizer *tokenizer;
  struct bpe_scratch scratch;
  uint32_t *ids;
  size_t count;
  size_t *next;         // [n_added] the next place of that token in the text, SIZE_MAX for none
  unsigned char *copy;  // room for the text and a leading space, if one can be needed
};

// Encodes text without added tokens.
static int encode_ordinary(struct encoder *e, const unsigned char *text, size_t length,
                           struct err *err) {
  const struct tokenizer *t = e->tokenizer;
  struct pretokenizer_walk walk;
  if (t->prefix_space && length > 0 && text[0] != ' ') {
    e->copy[0] = ' ';
    memcpy(e->copy + 1, text, length++);
    text = e->copy;
  }
  if (pretokenizer_start(&walk, t->pretokenizer, text, length, err) != 0) return -1;
  int more;
  while ((more = pretokenizer_next(&walk, t->pretokenizer, err)) == 1) {
    uint32_t *ids = e->ids + e->count;
    size_t merged;
    for (size_t i = walk.begin; i < walk.end; i++) ids[i - walk.begin] = t->byte_ids[text[i]];
    if (bpe_merge_all(&t->bpe, &e->scratch, ids, walk.end - walk.begin, &merged, err) != 0) {
      more = -1;
      break;
    }
    e->count += merged;
  }
  pretokenizer_finish(&walk);
  return more;
}

// Finds the next place, at or after begin, of one of added[from..to-1]; the longest, if several
// begin there. Writes its id and length. Returns the place, or the text's length if there is none.
static size_t find_added(struct encoder *e, size_t from, size_t to, const unsigned char *text,
                         size_t length, size_t begin, uint32_t *id, size_t *id_length) {
  const struct tokenizer *t = e->tokenizer;
  size_t best = length;
  *id_length = 0;
  for (size_t i = from; i < to; i++) {
    const struct vocabulary_token *token = &t->vocabulary.tokens[t->added[i]];
    if (e->next[i] < begin || begin == 0) {
      const unsigned char *found =
          memmem(text + begin, length - begin, t->vocabulary.blob + token->begin, token->length);
      e->next[i] = !found ? SIZE_MAX : (size_t)(found - text);
    }
    if (e->next[i] < best || (e->next[i] == best && token->length > *id_length)) {
      best = e->next[i];
      *id = t->added[i];
      *id_length = token->length;
    }
  }
  return best;
}

// With first, splits text at the added tokens that are searched for first, and then splits the
// parts between them at the others.
static int encode(struct encoder *e, bool first, const unsigned char *text, size_t length,
                  struct err *err) {
  const struct tokenizer *t = e->tokenizer;
  const size_t from = first ? 0 : t->n_first, to = first ? t->n_first : t->n_added;
  for (size_t begin = 0; begin < length;) {
    uint32_t id = 0;
    size_t id_length;
    size_t end = find_added(e, from, to, text, length, begin, &id, &id_length);
    if ((first ? encode(e, false, text + begin, end - begin, err)
               : encode_ordinary(e, text + begin, end - begin, err)) != 0)
      return -1;
    if (end < length) e->ids[e->count++] = id;
    begin = end + id_length;
  }
  return 0;
}

static void put_ids(struct encoder *e, const uint32_t *ids, size_t count) {
  for (size_t i = 0; i < count; i++) e->ids[e->count++] = ids[i];
}

// Tokens without a row in the model can exist, but the model cannot compute them.
static int check_rows(const struct encoder *e, struct err *err) {
  for (size_t i = 0; i < e->count; i++) {
    if (e->ids[i] >= e->tokenizer->rows) {
      size_t length;
      const char *token = tokenizer_token(e->tokenizer, e->ids[i], &length);
      return err_set(err,
                     "the text has the token \"%.*s\", id %lu, for which the model has no row: its "
                     "ids are 0..%zu",
                     length > 60 ? 60 : (int)length, token, (unsigned long)e->ids[i],
                     e->tokenizer->rows - 1);
    }
  }
  return 0;
}

static int encode_text(const struct tokenizer *t, bool whole, const char *text, size_t length,
                       uint32_t **ids, size_t *count, struct err *err) {
  // A token has at least one byte, and a byte adds at most one space. This bounds the number of
  // ids.
  const struct tokenizer_template *around = &t->around;
  const size_t room = (t->prefix_space ? 2 : 1) * length + around->n_before + around->n_after;
  struct encoder e = {
      .tokenizer = t,
      .ids = malloc((room + 1) * sizeof *e.ids),
      .next = malloc((t->n_added + 1) * sizeof *e.next),
      .copy = malloc(t->prefix_space ? length + 1 : 1),
  };
  *ids = NULL;
  *count = 0;
  int result = 0;
  if (!e.ids || !e.next || !e.copy) {
    result = err_memory(err, "the ids");
  } else {
    put_ids(&e, around->before, whole ? around->n_before : 0);
    result = encode(&e, true, (const unsigned char *)text, length, err);
    put_ids(&e, around->after, whole ? around->n_after : 0);
  }
  if (result == 0) result = check_rows(&e, err);
  bpe_scratch_free(&e.scratch);
  free(e.next);
  free(e.copy);
  if (result != 0) {
    free(e.ids);
    return -1;
  }
  *ids = e.ids;
  *count = e.count;
  return 0;
}

int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t length,
                     uint32_t **ids, size_t *count, struct err *err) {
  return encode_text(tokenizer, true, text, length, ids, count, err);
}

int tokenizer_encode_part(const struct tokenizer *tokenizer, const char *text, size_t length,
                          uint32_t **ids, size_t *count, struct err *err) {
  return encode_text(tokenizer, false, text, length, ids, count, err);
}

// ---------------------------------------------------------------------------------------- decoding

const char *tokenizer_token(const struct tokenizer *tokenizer, uint32_t id, size_t *length) {
  const struct vocabulary *v = &tokenizer->vocabulary;
  *length = 0;
  if (id >= v->count) return NULL;
  *length = v->tokens[id].length;
  return (const char *)v->blob + v->tokens[id].begin;
}

int tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids, size_t count,
                     char **text, size_t *length, struct err *err) {
  *text = NULL;
  *length = 0;
  size_t total = 0;
  size_t bytes;
  for (size_t i = 0; i < count; i++) {
    if (ids[i] >= tokenizer_ids(tokenizer)) {
      return err_set(err, "id %lu at index %zu, expected ids below %zu", (unsigned long)ids[i], i,
                     tokenizer_ids(tokenizer));
    }
    tokenizer_token(tokenizer, ids[i], &bytes);
    total += bytes;
  }
  char *out = malloc(total + 1);
  if (!out) return err_memory(err, "the text");
  char *next = out;
  for (size_t i = 0; i < count; i++) {
    const char *token = tokenizer_token(tokenizer, ids[i], &bytes);
    if (token) {
      memcpy(next, token, bytes);
      next += bytes;
    }
  }
  *next = '\0';
  *text = out;
  *length = total;
  return 0;
}

size_t tokenizer_push_room(const struct tokenizer *tokenizer) {
  return tokenizer->vocabulary.longest + TOKENIZER_HELD;
}

// The number of bytes at the end of text that begin a character without completing it.
static size_t incomplete_tail(const unsigned char *text, size_t length) {
  for (size_t tail = length < TOKENIZER_HELD ? length : TOKENIZER_HELD; tail > 0; tail--)
    if (utf8_character(text + length - tail, tail) == UTF8_INCOMPLETE) return tail;
  return 0;
}

size_t tokenizer_push(const struct tokenizer *tokenizer, struct tokenizer_decoder *decoder,
                      uint32_t id, char *text) {
  size_t bytes;
  const char *token = tokenizer_token(tokenizer, id, &bytes);
  if (!token) return 0;
  memcpy(text, decoder->held, decoder->held_count);
  memcpy(text + decoder->held_count, token, bytes);
  size_t length = decoder->held_count + bytes;
  decoder->held_count = incomplete_tail((const unsigned char *)text, length);
  length -= decoder->held_count;
  memcpy(decoder->held, text + length, decoder->held_count);
  return length;
}

size_t tokenizer_flush(struct tokenizer_decoder *decoder, char text[static TOKENIZER_HELD]) {
  size_t count = decoder->held_count;
  memcpy(text, decoder->held, count);
  decoder->held_count = 0;
  return count;
}
