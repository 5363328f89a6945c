// SPDX-License-Identifier: Apache-2.0
#include "bare.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "model_code.h"
#include "signals.h"

enum { LANES = 1024, SEGMENTS = 16, PREFETCH = 6, BLOCKS = 12 };
#define WEIGHTS ((size_t)128 << 20)

#define PORTS(S)                    \
  S(uint8_t, clk, "clk_i")          \
  S(uint8_t, first, "first_i")      \
  S(uint32_t, weights, "weights_i") \
  S(uint32_t, operand, "operand_i") \
  S(uint32_t, sums, "sums_o")

struct bare {
  void *library, *instance;
  const struct verilated_block *code;
  PORTS(SIGNAL_MEMBER)
  int8_t *memory;
  int16_t x[64];
  size_t at;
};

int bare_open(struct bare **out, const char *path, struct err *err) {
  struct bare *b = calloc(1, sizeof *b);
  *out = NULL;
  if (!b) return err_memory(err, "the bare engine");
  b->memory = aligned_alloc(4096, WEIGHTS);
  if (!b->memory || model_code_open(&b->library, &b->code, path, err)) {
    if (!b->memory) err_memory(err, "the bare engine's weights");
    bare_close(b);
    return -1;
  }
  b->instance = b->code->create(NULL);
  struct signals signals = signals_of(b->code, b->instance);
  struct bare *const at = b;
  PORTS(SIGNAL_FIND)
  if (signals.missing) {
    bare_close(b);
    return err_set(err, "%s: is not the bare engine: run make bench", path);
  }
  uint64_t state = 1;
  for (size_t i = 0; i < WEIGHTS; i += 8) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const uint64_t mixed = state ^ state >> 29;
    memcpy(b->memory + i, &mixed, 8);
  }
  for (int i = 0; i < 64; i++) b->x[i] = (int16_t)(b->memory[2 * i] * 256 + b->memory[2 * i + 1]);
  memcpy(b->operand, b->x, sizeof b->x);
  *out = b;
  return 0;
}

void bare_close(struct bare *b) {
  if (!b) return;
  if (b->instance) b->code->destroy(b->instance);
  if (b->library) dlclose(b->library);
  free(b->memory);
  free(b);
}

// Runs rows of BLOCKS beats, as in the 124M shape's layers, and checks the sums of the last row.
static int run_rows(struct bare *b, size_t rows, struct err *err) {
  const int8_t *row = b->memory;
  for (size_t r = 0; r < rows; r++) {
    if (b->at + BLOCKS * LANES > WEIGHTS) b->at = 0;
    row = b->memory + b->at;
    for (int i = 0; i < BLOCKS; i++) {
      const int8_t *beat = row + i * LANES;
      *b->first = i == 0;
      memcpy(b->weights, beat, LANES);
      for (int line = 0; line < LANES; line += 64)
        __builtin_prefetch(beat + PREFETCH * LANES + line);
      *b->clk = 0;
      b->code->eval(b->instance);
      *b->clk = 1;
      b->code->eval(b->instance);
    }
    b->at += BLOCKS * LANES;
  }
  *b->first = 0;  // the last beat is in the input registers
  memset(b->weights, 0, LANES);
  *b->clk = 0;
  b->code->eval(b->instance);
  *b->clk = 1;
  b->code->eval(b->instance);
  for (int s = 0; s < SEGMENTS; s++) {
    int64_t sum = 0;
    for (int i = 0; i < BLOCKS; i++)
      for (int k = 0; k < 64; k++) sum += row[i * LANES + s * 64 + k] * b->x[k];
    if ((int32_t)sum != (int32_t)b->sums[s])
      return err_set(err, "the bare engine's segment %d: expected %d, found %d", s, (int32_t)sum,
                     (int32_t)b->sums[s]);
  }
  return 0;
}

double bare_run(struct bare *b, double seconds, struct err *err) {
  const double begin = clock_thread();
  double cycles = 0, now;
  do {
    if (run_rows(b, 10000, err)) return -1;
    cycles += 10000 * BLOCKS;
    now = clock_thread();
  } while (now - begin < seconds);
  return cycles / (now - begin);
}
