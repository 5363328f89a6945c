// SPDX-License-Identifier: Apache-2.0
// tokenizer_config - reads what a folder says about its tokenizer besides the vocabulary
//
//   tokenizer_config.json    add_prefix_space; add_bos_token, add_eos_token; special tokens by
//                            name, as bos_token; added_tokens_decoder: {"id": {"content"}}
//   special_tokens_map.json  special tokens; they replace those of tokenizer_config.json
//   added_tokens.json        {"token": id}
//
// Any of them may be absent. The last two are used only if tokenizer_config.json has no
// added_tokens_decoder. These rules and those below are transformers'. Versions 4.57 and 5.24
// agree, except that add_eos_token and special tokens of other names exist only in 5.24. `make
// test-hf` compares.
//
// An added token is found in a text before the text is split into pieces. There are two kinds:
// those with "normalized": false are searched for first, in the whole text; the others in the parts
// that remain between them.

#ifndef GPT2RTL_TOKENIZER_CONFIG_H
#define GPT2RTL_TOKENIZER_CONFIG_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "err.h"

enum { TOKENIZER_MAX_ADDED = 1024 };  // tokens that a file adds; they are searched for one by one

struct tokenizer_config {
  bool has_prefix_space;  // add_prefix_space is given
  bool add_prefix_space;  // encode as if a space preceded the text
  bool add_bos, add_eos;  // put these around a text, unless a tokenizer.json says what to put there
  char *bos, *eos;        // their texts, NULL for none
  cJSON *added;           // [{"content", "id", "normalized"}], in the order of ids
  const char *added_file;  // the file that lists them
  cJSON *special;          // [{"content", "normalized"}], the tokens with a name
};

// Reads the three files in dir. If dir is NULL, there are none. After success or failure release
// with tokenizer_config_free. Errors: bad JSON, a field of another type, a token that asks for what
// is not implemented (lstrip, rstrip, single_word), split_special_tokens, more than
// TOKENIZER_MAX_ADDED tokens in a list.
int tokenizer_config_read(struct tokenizer_config *config, const char *dir, struct err *err);
void tokenizer_config_free(struct tokenizer_config *config);

// Collects all added tokens of a tokenizer: those of tokenizer.json (listed is its added_tokens, or
// NULL; path is the file's name), those of the files above, and the special ones. A special token
// that neither a list nor vocab has gets the next id. <|endoftext|>, the default for three of them,
// is used only if vocab has it. On success *added is a list [{"content", "id", "normalized"}],
// which the caller deletes.
// Errors: a token without content or id, or with two ids; an id that leaves a gap or belongs to
// another token; what tokenizer_config_read refuses in a token.
int tokenizer_config_merge(const struct tokenizer_config *config, const cJSON *vocab,
                           const cJSON *listed, const char *path, cJSON **added, struct err *err);

#endif
