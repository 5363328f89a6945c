// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, and the files that override it: tokenizer_config.json, added_tokens.json,
// special_tokens_map.json.
#include "fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const names[] = {"tokenizer.json", "tokenizer_config.json",
                                      "added_tokens.json", "special_tokens_map.json"};
  struct tokenizer *tokenizer;
  struct err err = {""};
  fuzz_write_parts(data, size, names, 4);
  if (fuzz_refused(tokenizer_load(&tokenizer, fuzz_folder(), 0, &err), &err)) return 0;
  fuzz_text(tokenizer, 0);
  tokenizer_free(tokenizer);
  return 0;
}
