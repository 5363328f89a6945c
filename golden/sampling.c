// SPDX-License-Identifier: Apache-2.0
//
// sampling - argmax, or top-k with temperature, drawn by the cumulative distribution
// (rtl/block/sampling.sv)
#include <math.h>

#include "golden.h"

uint64_t sampling_seed(uint64_t seed) {
  uint64_t z = seed + 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  return z ? z : 1;
}

uint32_t sampling_inv_t(double temperature) {
  return (uint32_t)lround(1.4426950408889634 / temperature * 65536.0);
}

uint32_t sampling_choose(struct sampling *s, const int32_t *logits, uint32_t n_vocab) {
  int32_t value[MAX_TOP_K];
  uint32_t id[MAX_TOP_K], n = 0;

  // the k largest in descending order; an equal logit goes after, so the lower id stays first
  for (uint32_t v = 0; v < n_vocab; v++) {
    if (n == s->top_k && logits[v] <= value[n - 1]) continue;
    uint32_t at = n < s->top_k ? n++ : n - 1;
    for (; at > 0 && value[at - 1] < logits[v]; at--) {
      value[at] = value[at - 1];
      id[at] = id[at - 1];
    }
    value[at] = logits[v];
    id[at] = v;
  }
  if (s->top_k == 1) return id[0];

  uint64_t e[MAX_TOP_K], z = 0;
  for (uint32_t i = 0; i < n; i++) {
    uint64_t d = (uint64_t)((int64_t)value[0] - value[i]);  // 31 bits
    e[i] = exp2_neg(d * s->inv_t >> 16);
    z += e[i];  // at most 64 * 2^22
  }
  s->state ^= s->state << 13;
  s->state ^= s->state >> 7;
  s->state ^= s->state << 17;
  uint64_t target = (s->state >> 32) * z >> 32;  // < z
  uint32_t i = 0;
  for (uint64_t sum = e[0]; sum <= target; sum += e[i]) i++;
  return id[i];
}
