// SPDX-License-Identifier: Apache-2.0
// config.json, and generation_config.json after it.
#include "fuzz.h"

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const names[] = {"config.json", "generation_config.json"};
  struct gpt2_config c;
  struct err err = {""};
  uint64_t term;
  fuzz_write_parts(data, size, names, 2);
  if (fuzz_refused(config_read_folder(&c, fuzz_folder(), &err), &err)) return 0;
  FUZZ_CHECK(c.n_layer >= 1 && c.n_layer <= CONFIG_MAX_LAYERS && c.n_head >= 1 &&
             c.n_head <= CONFIG_MAX_HEADS);
  FUZZ_CHECK(c.n_embd == c.n_head * HEAD_DIM && c.n_inner == 4 * c.n_embd);
  FUZZ_CHECK(c.n_ctx >= CONFIG_MIN_CTX && c.n_ctx <= CONFIG_MAX_CTX && c.vocab_size >= 1 &&
             c.vocab_size <= CONFIG_MAX_VOCAB);
  FUZZ_CHECK(c.bos_token_id == CONFIG_NO_TOKEN || c.bos_token_id < c.vocab_size);
  FUZZ_CHECK(config_epsilon_term(c.layer_norm_epsilon, c.n_embd, &term, &err) == 0);
  FUZZ_CHECK(config_parameters(&c) > 0);
  return 0;
}
