// SPDX-License-Identifier: Apache-2.0
//
// fast_kernels_neon - AArch64, where every processor has NEON
//
// Eight bytes of a tile, four rows of two columns, are widened to int16 and multiplied by the two
// inputs. The two products of a row stay in neighbouring lanes, which are added at the end of the
// tile.
#include "fast_kernels.h"

#if defined(__aarch64__)
#include "fast_elementwise.h"

#include <arm_neon.h>

enum { QUARTER = HEAD_DIM / 4 };  // rows at once: 16 in 8 vectors of two rows

static inline int16x8_t inputs(const struct fast_operand *x, int pair) {
  int32_t two;
  memcpy(&two, &x->m[2 * pair], sizeof two);
  return vreinterpretq_s16_s32(vdupq_n_s32(two));
}

// Multiplies 16 rows of a tile by one position.
static void quarter(int32_t *low, int32_t *high, const int8_t *w, const struct fast_operand *x,
                    int first) {
  int32x4_t sum[QUARTER / 2];
  for (int v = 0; v < QUARTER / 2; v++) sum[v] = vdupq_n_s32(0);
  for (int pair = 0; pair < HEAD_DIM / 2; pair++, w += 2 * HEAD_DIM) {
    const int16x8_t in = inputs(x, pair);
    for (int v = 0; v < QUARTER / 4; v++) {
      const int16x8_t two = vmovl_s8(vld1_s8(w + 8 * v));
      sum[2 * v] = vmlal_s16(sum[2 * v], vget_low_s16(two), vget_low_s16(in));
      sum[2 * v + 1] = vmlal_s16(sum[2 * v + 1], vget_high_s16(two), vget_high_s16(in));
    }
  }
  const int32x4_t up = vdupq_n_s32(x->e), down = vdupq_n_s32(x->e - first - 1);
  for (int v = 0; v < QUARTER / 4; v++, low += 4, high += 4) {
    const int32x4_t rows = vpaddq_s32(sum[2 * v], sum[2 * v + 1]);
    vst1q_s32(low, vaddq_s32(vld1q_s32(low), vshlq_s32(rows, up)));
    vst1q_s32(high, vaddq_s32(vld1q_s32(high), vshlq_s32(rows, down)));
  }
}

static void add(struct sums *s, const struct fast_product *p, uint32_t t, uint32_t n) {
  const int *first = p->first + t;
  for (uint32_t k = 0; k < p->n_blocks; k++)
    for (uint32_t i = 0; i < n; i++)
      for (uint32_t r = 0; r < HEAD_DIM; r += QUARTER)
        quarter(s[i].low + r, s[i].high + r, p->strip + (size_t)k * TILE_BYTES + 2 * r,
                p->x + (t + i) * p->x_stride + k, first[i]);
}

static uint64_t multiply(const struct fast_product *p) { return multiply_with(p, add); }

const struct fast_kernels fast_neon = FAST_KERNELS("neon", 2, multiply);
#endif
