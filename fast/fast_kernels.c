// SPDX-License-Identifier: Apache-2.0
#include "fast_kernels.h"

#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#include <asm/hwcap.h>
#endif

static bool always(void) { return true; }

#if defined(__x86_64__)
static bool has_avx2(void) { return __builtin_cpu_supports("avx2"); }
static bool has_avx512vnni(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}
#elif defined(__aarch64__)
static bool has_neon(void) { return getauxval(AT_HWCAP) & HWCAP_ASIMD; }
#endif

static const struct choice {
  const struct fast_kernels *kernels;
  bool (*runs)(void);
} choices[] = {
    {&fast_portable, always},
#if defined(__x86_64__)
    {&fast_avx2, has_avx2},
    {&fast_avx512vnni, has_avx512vnni},
#elif defined(__aarch64__)
    {&fast_neon, has_neon},
#endif
};
enum { CHOICES = sizeof choices / sizeof *choices };

const struct fast_kernels *fast_kernels_at(size_t i) {
  for (size_t c = 0; c < CHOICES; c++)
    if (choices[c].runs() && i-- == 0) return choices[c].kernels;
  return NULL;
}

const struct fast_kernels *fast_kernels_named(const char *name, struct err *err) {
  const struct fast_kernels *k, *best = NULL;
  char names[64] = "auto";
  for (size_t i = 0; (k = fast_kernels_at(i)); i++) {
    if (!strcmp(name, k->name)) return k;
    strcat(strcat(names, ", "), k->name);
    best = k;
  }
  if (!strcmp(name, "auto")) return best;
  err_set(err, "vector code '%s': this machine runs %s", name, names);
  return NULL;
}
