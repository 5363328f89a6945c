// SPDX-License-Identifier: Apache-2.0
// vocab.json and merges.txt, in this order.
#include "fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const names[] = {"vocab.json", "merges.txt"};
  char vocab[FILE_PATH_SIZE], merges[FILE_PATH_SIZE];
  struct tokenizer *tokenizer;
  struct err err = {""};
  fuzz_write_parts(data, size, names, 2);
  FUZZ_CHECK(file_join(vocab, fuzz_folder(), names[0], NULL) == 0 &&
             file_join(merges, fuzz_folder(), names[1], NULL) == 0);
  if (fuzz_refused(tokenizer_load_files(&tokenizer, vocab, merges, 0, &err), &err)) return 0;
  fuzz_text(tokenizer, 1);
  tokenizer_free(tokenizer);
  return 0;
}
