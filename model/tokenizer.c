// SPDX-License-Identifier: Apache-2.0
#include "tokenizer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bpe.h"
#include "file.h"
#include "merges.h"
#include "pretokenizer.h"
#include "tokenizer_json.h"
#include "utf8.h"
#include "vocabulary.h"

static const char end_of_text[] = "<|endoftext|>";

struct tokenizer {
  struct vocabulary vocabulary;
  uint32_t byte_ids[256];  // ids of the tokens of one byte
  uint32_t end_of_text;
  uint32_t *added;         // ids of the tokens that are found in the text before it is cut
  size_t n_added;
  struct bpe bpe;
  struct pretokenizer *pretokenizer;
};

// ---- loading ------------------------------------------------------------------------------------

// What vocabulary and merges have to be for any text. path is the vocabulary's.
static int check(struct tokenizer *t, const char *path, size_t vocab_size, struct err *err) {
  // Trainers round the vocabulary up to 64 or 128, 50,257 to 50,304: the ids behind have no text.
  const size_t count = t->vocabulary.count;
  const bool padded = vocab_size > count && vocab_size - count < 128 && vocab_size % 64 == 0;
  if (vocab_size != 0 && count != vocab_size && !padded) {
    return err_set(err, "%s: %zu tokens, but the model has %zu: take both from the same folder", path,
                   count, vocab_size);
  }
  for (unsigned byte = 0; byte < 256; byte++) {
    unsigned char bytes[1] = {(unsigned char)byte};
    t->byte_ids[byte] = vocabulary_find(&t->vocabulary, bytes, 1);
    if (t->byte_ids[byte] == VOCABULARY_NO_TOKEN) {
      return err_set(err, "%s: no token for byte 0x%02X: some text could not be encoded", path, byte);
    }
  }
  t->end_of_text = vocabulary_find(&t->vocabulary, end_of_text, sizeof end_of_text - 1);
  return 0;
}

// vocab.json and merges.txt know one added token, by its name.
static int load_pair(struct tokenizer *t, const char *vocab_path, const char *merges_path,
                     size_t vocab_size, struct err *err) {
  if (vocabulary_load(&t->vocabulary, vocab_path, err) != 0 ||
      check(t, vocab_path, vocab_size, err) != 0) {
    return -1;
  }
  if (t->end_of_text != TOKENIZER_NO_TOKEN) {
    t->added = malloc(sizeof *t->added);
    if (t->added == NULL) {
      return err_memory(err, "the tokenizer");
    }
    t->added[t->n_added++] = t->end_of_text;
  }
  return merges_load(&t->bpe, &t->vocabulary, merges_path, err);
}

static int load_json(struct tokenizer *t, const char *path, size_t vocab_size, struct err *err) {
  return tokenizer_json_read(&t->vocabulary, &t->bpe, &t->added, &t->n_added, path, err) != 0
             ? -1
             : check(t, path, vocab_size, err);
}

// merges_path NULL: path is a tokenizer.json, otherwise a vocab.json.
static int load(struct tokenizer **tokenizer, const char *path, const char *merges_path,
                size_t vocab_size, struct err *err) {
  *tokenizer = NULL;
  struct tokenizer *t = calloc(1, sizeof *t);
  if (t == NULL) {
    return err_memory(err, "the tokenizer");
  }
  if ((merges_path == NULL ? load_json(t, path, vocab_size, err)
                           : load_pair(t, path, merges_path, vocab_size, err)) != 0 ||
      pretokenizer_create(&t->pretokenizer, err) != 0) {
    tokenizer_free(t);
    return -1;
  }
  *tokenizer = t;
  return 0;
}

int tokenizer_load_files(struct tokenizer **tokenizer, const char *vocab_path,
                         const char *merges_path, size_t vocab_size, struct err *err) {
  return load(tokenizer, vocab_path, merges_path, vocab_size, err);
}

int tokenizer_load(struct tokenizer **tokenizer, const char *dir, size_t vocab_size,
                   struct err *err) {
  char json_path[FILE_PATH_SIZE];
  char vocab_path[FILE_PATH_SIZE];
  char merges_path[FILE_PATH_SIZE];
  *tokenizer = NULL;
  if (file_join(json_path, dir, "tokenizer.json", err) != 0 ||
      file_join(vocab_path, dir, "vocab.json", err) != 0 ||
      file_join(merges_path, dir, "merges.txt", err) != 0) {
    return -1;
  }
  if (file_exists(json_path)) {
    return load(tokenizer, json_path, NULL, vocab_size, err);
  }
  if (!file_exists(vocab_path) && !file_exists(merges_path)) {
    return err_set(err, "%s: no tokenizer, expected vocab.json and merges.txt, or tokenizer.json", dir);
  }
  return load(tokenizer, vocab_path, merges_path, vocab_size, err);
}

void tokenizer_free(struct tokenizer *tokenizer) {
  if (tokenizer != NULL) {
    vocabulary_free(&tokenizer->vocabulary);
    bpe_free(&tokenizer->bpe);
    free(tokenizer->added);
    pretokenizer_free(tokenizer->pretokenizer);
    free(tokenizer);
  }
}

size_t tokenizer_vocab_size(const struct tokenizer *tokenizer) {
  return tokenizer->vocabulary.count;
}

uint32_t tokenizer_find(const struct tokenizer *tokenizer, const void *bytes, size_t length) {
  return vocabulary_find(&tokenizer->vocabulary, bytes, length);
}

uint32_t tokenizer_end_of_text(const struct tokenizer *tokenizer) {
  return tokenizer->end_of_text;
}

// ---- encoding -----------------------------------------------------------------------------------

struct encoder {
  const struct tokenizer *tokenizer;
  struct bpe_scratch scratch;
  uint32_t *ids;
  size_t count;
  size_t *next;  // [n_added] where the text has that token next, SIZE_MAX for nowhere
};

// Encodes text that holds no special token.
static int encode_ordinary(struct encoder *e, const unsigned char *text, size_t length,
                           struct err *err) {
  const struct tokenizer *t = e->tokenizer;
  struct pretokenizer_walk walk;
  if (pretokenizer_start(&walk, t->pretokenizer, text, length, err) != 0) {
    return -1;
  }
  int more;
  while ((more = pretokenizer_next(&walk, t->pretokenizer, err)) == 1) {
    uint32_t *ids = e->ids + e->count;
    size_t merged;
    for (size_t i = walk.begin; i < walk.end; i++) {
      ids[i - walk.begin] = t->byte_ids[text[i]];
    }
    if (bpe_merge_all(&t->bpe, &e->scratch, ids, walk.end - walk.begin, &merged, err) != 0) {
      more = -1;
      break;
    }
    e->count += merged;
  }
  pretokenizer_finish(&walk);
  return more;
}

// Where the next added token at or behind begin is; the longest, if several begin there. Writes its id
// and length. length if there is none.
static size_t find_added(struct encoder *e, const unsigned char *text, size_t length, size_t begin,
                         uint32_t *id, size_t *id_length) {
  const struct tokenizer *t = e->tokenizer;
  size_t best = length;
  *id_length = 0;
  for (size_t i = 0; i < t->n_added; i++) {
    const struct vocabulary_token *token = &t->vocabulary.tokens[t->added[i]];
    if (e->next[i] < begin || begin == 0) {
      const unsigned char *found =
          memmem(text + begin, length - begin, t->vocabulary.blob + token->begin, token->length);
      e->next[i] = found == NULL ? SIZE_MAX : (size_t)(found - text);
    }
    if (e->next[i] < best || (e->next[i] == best && token->length > *id_length)) {
      best = e->next[i];
      *id = t->added[i];
      *id_length = token->length;
    }
  }
  return best;
}

static int encode(struct encoder *e, const unsigned char *text, size_t length, struct err *err) {
  for (size_t begin = 0; begin < length;) {
    uint32_t id = 0;
    size_t id_length;
    size_t end = find_added(e, text, length, begin, &id, &id_length);
    if (encode_ordinary(e, text + begin, end - begin, err) != 0) {
      return -1;
    }
    if (end < length) {
      e->ids[e->count++] = id;
    }
    begin = end + id_length;
  }
  return 0;
}

int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t length,
                     uint32_t **ids, size_t *count, struct err *err) {
  // A token has at least one byte, so length bounds the number of ids.
  struct encoder e = {
      .tokenizer = tokenizer,
      .ids = malloc((length + 1) * sizeof *e.ids),
      .next = malloc((tokenizer->n_added + 1) * sizeof *e.next),
  };
  *ids = NULL;
  *count = 0;
  int result = e.ids == NULL || e.next == NULL
                   ? err_memory(err, "the ids")
                   : encode(&e, (const unsigned char *)text, length, err);
  bpe_scratch_free(&e.scratch);
  free(e.next);
  if (result != 0) {
    free(e.ids);
    return -1;
  }
  *ids = e.ids;
  *count = e.count;
  return 0;
}

// ---- decoding -----------------------------------------------------------------------------------

const char *tokenizer_token(const struct tokenizer *tokenizer, uint32_t id, size_t *length) {
  const struct vocabulary *v = &tokenizer->vocabulary;
  *length = 0;
  if (id >= v->count) {
    return NULL;
  }
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
    if (tokenizer_token(tokenizer, ids[i], &bytes) == NULL) {
      return err_set(err, "id %lu at index %zu, expected ids below %zu", (unsigned long)ids[i], i,
                     tokenizer->vocabulary.count);
    }
    total += bytes;
  }
  char *out = malloc(total + 1);
  if (out == NULL) {
    return err_memory(err, "the text");
  }
  char *next = out;
  for (size_t i = 0; i < count; i++) {
    const char *token = tokenizer_token(tokenizer, ids[i], &bytes);
    memcpy(next, token, bytes);
    next += bytes;
  }
  *next = '\0';
  *text = out;
  *length = total;
  return 0;
}

size_t tokenizer_push_room(const struct tokenizer *tokenizer) {
  return tokenizer->vocabulary.longest + TOKENIZER_HELD;
}

// Bytes at the end of text that begin a character without completing it.
static size_t incomplete_tail(const unsigned char *text, size_t length) {
  for (size_t tail = length < TOKENIZER_HELD ? length : TOKENIZER_HELD; tail > 0; tail--) {
    if (utf8_character(text + length - tail, tail) == UTF8_INCOMPLETE) {
      return tail;
    }
  }
  return 0;
}

size_t tokenizer_push(const struct tokenizer *tokenizer, struct tokenizer_decoder *decoder,
                      uint32_t id, char *text) {
  size_t bytes;
  const char *token = tokenizer_token(tokenizer, id, &bytes);
  if (token == NULL) {
    return 0;
  }
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
