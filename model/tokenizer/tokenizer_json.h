// SPDX-License-Identifier: Apache-2.0
// tokenizer_json - reads tokenizer.json, a tokenizer in one file
//
// Hugging Face's tokenizers library writes vocabulary, merges, added tokens and every step of the
// encoding to one file. The file can describe any tokenizer; here it must describe GPT-2's:
//   model           type BPE (or none); vocab {"token": id}; merges ["left right", ...] or
//                   [["left", "right"], ...]; no dropout, byte_fallback, ignore_merges, prefix or
//                   suffix
//   pre_tokenizer   ByteLevel, use_regex true (or absent); add_prefix_space false, unless
//                   tokenizer_config.json gives its value, which then counts
//   normalizer      null
//   post_processor  null, ByteLevel, TemplateProcessing, which puts special tokens around a text,
//                   or a Sequence of these
//   decoder         ByteLevel or absent
//   added_tokens    [{"content": text, "id": N, "normalized": flag}]; lstrip, rstrip and
//                   single_word false
// truncation and padding, which describe how a batch is made, are ignored.

#ifndef GPT2RTL_TOKENIZER_JSON_H
#define GPT2RTL_TOKENIZER_JSON_H

#include "bpe.h"
#include "err.h"
#include "tokenizer_config.h"
#include "vocabulary.h"

// The tokens that surround every text.
struct tokenizer_template {
  uint32_t *before, *after;  // ids; owned
  size_t n_before, n_after;
};
void tokenizer_template_free(struct tokenizer_template *around);

// Fills vocabulary, bpe and around, and *added with the list of tokenizer_config_merge. After
// success or failure release all four. Errors: no such file, bad JSON; a step that is not GPT-2's,
// by name; those of tokenizer_config_merge, vocabulary_read and merges_read.
int tokenizer_json_read(struct vocabulary *vocabulary, struct bpe *bpe,
                        struct tokenizer_template *around, cJSON **added,
                        const struct tokenizer_config *config, const char *path, struct err *err);

#endif
