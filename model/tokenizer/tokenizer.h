// SPDX-License-Identifier: Apache-2.0
// tokenizer - GPT-2's byte-level BPE: text to token ids and back
//
// Encoding replaces an added token in the text, such as `<|endoftext|>`, by its id; if several
// begin at one place, by the longest one's. The text between added tokens is split into pieces
// (pretokenizer.h). Each byte of a piece becomes a token, and neighbours are merged (bpe.h). Any
// bytes can be encoded. Decoding returns exactly these bytes, unless the folder asks for a leading
// space (add_prefix_space) or for tokens around a text.
//
// The files are those of the Hugging Face layout: tokenizer.json (tokenizer_json.h) or, if there is
// none, vocab.json (vocabulary.h) and merges.txt (merges.h); and those that tokenizer_config.h
// lists.
//
// A tokenizer is read-only once loaded: threads may share it.

#ifndef GPT2RTL_TOKENIZER_H
#define GPT2RTL_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define TOKENIZER_NO_TOKEN UINT32_MAX  // in place of an id

struct tokenizer;

// Loads dir/tokenizer.json, or dir/vocab.json and dir/merges.txt. vocab_size is the model's, or 0
// for any. The model may have up to 1,023 ids more than there are tokens; these ids have no text.
// Added tokens may have no row in the model; such a token is refused when it occurs in a text. On
// success release *tokenizer with tokenizer_free, which also accepts NULL.
// Errors: a file is absent or malformed (file, line or token); a missing or repeated id; a byte
// without a token; a merge of tokens that the vocabulary lacks; a size that does not fit
// vocab_size.
int tokenizer_load(struct tokenizer **tokenizer, const char *dir, size_t vocab_size,
                   struct err *err);

// The same with a path for each file (OpenAI calls them encoder.json and vocab.bpe).
int tokenizer_load_files(struct tokenizer **tokenizer, const char *vocab_path,
                         const char *merges_path, size_t vocab_size, struct err *err);

// Releases a tokenizer. NULL is accepted.
void tokenizer_free(struct tokenizer *tokenizer);

// The number of tokens that have a text, and the number of ids, which is the model's if that is
// known and larger.
size_t tokenizer_vocab_size(const struct tokenizer *tokenizer);
size_t tokenizer_ids(const struct tokenizer *tokenizer);

// The id of <|endoftext|>, or TOKENIZER_NO_TOKEN if the vocabulary has none.
uint32_t tokenizer_end_of_text(const struct tokenizer *tokenizer);

// The id of the token with these bytes, or TOKENIZER_NO_TOKEN.
uint32_t tokenizer_find(const struct tokenizer *tokenizer, const void *bytes, size_t length);

// The bytes of a token, without a terminating zero; *length is their number, at least 1. They live
// as long as the tokenizer. An id without text gives NULL and 0.
const char *tokenizer_token(const struct tokenizer *tokenizer, uint32_t id, size_t *length);

// Encodes length bytes of text, with the tokens that the folder puts around a text. On success *ids
// holds *count ids, which the caller frees; it is not NULL even if *count is 0. Errors: out of
// memory; a token without a row in the model.
int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t length,
                     uint32_t **ids, size_t *count, struct err *err);

// The same without these surrounding tokens, for a part of a text.
int tokenizer_encode_part(const struct tokenizer *tokenizer, const char *text, size_t length,
                          uint32_t **ids, size_t *count, struct err *err);

// Decodes count ids. On success *text holds *length bytes and a terminating zero, which the caller
// frees. An id without text gives no bytes. The bytes are exact, so they need not be UTF-8.
// Errors: out of memory; an id that is not below tokenizer_ids.
int tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids, size_t count,
                     char **text, size_t *length, struct err *err);

// --------------------------------------------------------------------- decoding token by token
//
// A token may end inside a character. A decoder holds such bytes back until the character is
// complete or no longer can be. All pushes and the flush together give the same bytes as
// tokenizer_decode. Zero the decoder before the first push.

enum { TOKENIZER_HELD = 3 };  // a character of 4 bytes less one

struct tokenizer_decoder {
  unsigned char held[TOKENIZER_HELD];
  size_t held_count;
};

// The room in bytes that a push needs: the longest token and the bytes that may be held.
size_t tokenizer_push_room(const struct tokenizer *tokenizer);

// Decodes id and writes the bytes that can be shown to text, which has room for tokenizer_push_room
// bytes. Returns their number, 0 if all are held back. An id without text adds none.
size_t tokenizer_push(const struct tokenizer *tokenizer, struct tokenizer_decoder *decoder,
                      uint32_t id, char *text);

// Writes the bytes that are still held, at the end of the text, and empties the decoder. Returns
// the number of bytes.
size_t tokenizer_flush(struct tokenizer_decoder *decoder, char text[static TOKENIZER_HELD]);

#endif
