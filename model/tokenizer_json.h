// SPDX-License-Identifier: Apache-2.0
// tokenizer_json - reads tokenizer.json, the one-file form of a tokenizer
//
// Hugging Face's tokenizers library writes vocabulary, merges, added tokens and every step of the
// encoding to one file. It can describe any tokenizer; here it must describe GPT-2's:
//   model           type BPE (or none); vocab {"token": id}; merges ["left right", ...] or
//                   [["left", "right"], ...]; no dropout, byte_fallback, ignore_merges, prefix or suffix
//   pre_tokenizer   ByteLevel, add_prefix_space false, use_regex true (or absent)
//   normalizer      null
//   post_processor  ByteLevel or null; decoder ByteLevel or absent
//   added_tokens    [{"content": text, "id": N, ...}]: found in the text before it is cut; lstrip,
//                   rstrip and single_word false
// truncation and padding say how a batch is made and are ignored.

#ifndef TOKENIZER_JSON_H
#define TOKENIZER_JSON_H

#include "bpe.h"
#include "err.h"
#include "vocabulary.h"

// Fills vocabulary and bpe, and *added with the *n_added ids of the added tokens, to be freed. After
// success or failure release all three. Errors: no such file, bad JSON; a step that is not GPT-2's, by
// name; those of vocabulary_read and merges_read.
int tokenizer_json_read(struct vocabulary *vocabulary, struct bpe *bpe, uint32_t **added,
                        size_t *n_added, const char *path, struct err *err);

#endif
