// SPDX-License-Identifier: Apache-2.0
//
// fast_neon - the fast engine on AArch64 against golden/, bit for bit: built by a cross compiler,
// run by test_fast_neon under an emulator, or on a processor of that family
#include <stdio.h>
#include <stdlib.h>

#include "fast_check.h"

static int check(const struct fast_kernels *k, struct err *err) {
  static const struct image_header shapes[] =
      {{.lanes = 256, .n_layer = 2, .n_head = 3, .n_ctx = 70, .vocab_size = 301, .tied = 1},
       {.lanes = 64, .n_layer = 1, .n_head = 2, .n_ctx = 130, .vocab_size = 500, .tied = 0}};
  if (fast_check_kernels(k, 1, err)) return -1;
  for (int i = 0; i < 4; i++) {
    struct image image;
    struct fast_expected g;
    uint8_t *beats;
    const uint32_t n = shapes[i / 2].n_ctx;
    if (fast_check_image(&image, &beats, &shapes[i / 2], i % 2 ? FAST_ANY_BYTES : FAST_MODEL, 5,
                         err))
      return -1;
    int result = fast_expect(&g, &image, n, 3, err);
    for (uint32_t threads = 1; threads <= 3 && !result; threads += 2) {
      const struct fast_options options = {.threads = threads, .kernels = k};
      result = fast_check_engine(&g, &options, 1, err) || fast_check_engine(&g, &options, n, err);
    }
    fast_expected_free(&g);
    free(beats);
    if (result) return -1;
  }
  return 0;
}

int main(void) {
  const struct fast_kernels *k;
  struct err err;
  for (size_t i = 0; (k = fast_kernels_at(i)); i++) {
    if (check(k, &err)) {
      printf("%s: %s\n", k->name, err.text);
      return 1;
    }
    printf("%s equals golden\n", k->name);
  }
  return 0;
}
