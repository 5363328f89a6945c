// SPDX-License-Identifier: Apache-2.0
#include "top.h"

#include <math.h>
#include <stdbool.h>

#include "golden.h"

// Whether candidate a comes before b.
static bool before(const float *logits, uint32_t a, uint32_t b) {
  return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

size_t top_find(struct gpt2rtl_candidate *list, size_t n, const float *logits, uint32_t n_vocab,
                double temperature, uint32_t top_k, const struct host_sampling *host,
                uint32_t choice) {
  uint32_t ids[(int)GPT2RTL_CANDIDATES > (int)MAX_TOP_K ? (int)GPT2RTL_CANDIDATES
                                                        : (int)MAX_TOP_K] = {0};
  const size_t wanted = n > top_k ? n : top_k;
  size_t found = 0;
  for (uint32_t i = 0; i < n_vocab; i++) {
    if (found == wanted && !before(logits, i, ids[found - 1])) continue;
    size_t at = found < wanted ? found++ : found - 1;
    for (; at > 0 && before(logits, i, ids[at - 1]); at--) ids[at] = ids[at - 1];
    ids[at] = i;
  }
  const double max = (double)logits[ids[0]];
  double all = 0, drawn = 0;
  for (uint32_t i = 0; i < n_vocab; i++) all += exp(((double)logits[i] - max) / temperature);
  for (size_t i = 0; i < found && i < top_k; i++)
    drawn += exp(((double)logits[ids[i]] - max) / temperature);
  if (n > found) n = found;
  for (size_t i = 0; i < n; i++) {
    const double e = exp(((double)logits[ids[i]] - max) / temperature);
    list[i] = (struct gpt2rtl_candidate){.id = ids[i],
                                         .probability = e / all,
                                         .drawn = host        ? host_sampling_share(host, ids[i])
                                                  : i < top_k ? e / drawn
                                                              : 0};
    if (ids[i] == choice) choice = UINT32_MAX;
  }
  if (choice == UINT32_MAX) return n;
  const double e = exp(((double)logits[choice] - max) / temperature);
  bool can_be_drawn = false;
  for (size_t i = n; i < found && i < top_k; i++) can_be_drawn |= ids[i] == choice;
  list[n] = (struct gpt2rtl_candidate){.id = choice,
                                       .probability = e / all,
                                       .drawn = host           ? host_sampling_share(host, choice)
                                                : can_be_drawn ? e / drawn
                                                               : 0};
  return n + 1;
}
