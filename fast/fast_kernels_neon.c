// SPDX-License-Identifier: Apache-2.0
//
// fast_kernels_neon - AArch64, where every processor has NEON
//
// Eight bytes of a tile, four rows of two columns, are widened to int16 and multiplied by the two
// inputs. The two products of a row stay in neighbouring lanes and are added at the end of the
// tile.
#include "fast_kernels.h"

#if defined(__aarch64__)
#include "fast_elementwise.h"

#include <arm_neon.h>
#include <string.h>

enum { QUARTER = HEAD_DIM / 4 };  // rows at once: 16 in 8 vectors of two rows

static inline int16x8_t inputs(const struct operand *x, int pair) {
  int32_t two;
  memcpy(&two, &x->m[2 * pair], sizeof two);
  return vreinterpretq_s16_s32(vdupq_n_s32(two));
}

// 16 rows of a tile and one token.
static void quarter(int64_t *acc, const int8_t *w, const struct operand *x) {
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
  const int64x2_t e = vdupq_n_s64(x->e);
  for (int v = 0; v < QUARTER / 4; v++, acc += 4) {
    const int32x4_t rows = vpaddq_s32(sum[2 * v], sum[2 * v + 1]);
    vst1q_s64(acc, vaddq_s64(vld1q_s64(acc), vshlq_s64(vmovl_s32(vget_low_s32(rows)), e)));
    vst1q_s64(acc + 2, vaddq_s64(vld1q_s64(acc + 2), vshlq_s64(vmovl_s32(vget_high_s32(rows)), e)));
  }
}

static void multiply(int64_t (*acc)[HEAD_DIM], const int8_t *strip, uint32_t n_blocks,
                     const struct operand *x, size_t stride, uint32_t n) {
  memset(acc, 0, n * sizeof *acc);
  for (uint32_t k = 0; k < n_blocks; k++, strip += TILE_BYTES)
    for (uint32_t t = 0; t < n; t++)
      for (uint32_t r = 0; r < HEAD_DIM; r += QUARTER)
        quarter(acc[t] + r, strip + 2 * r, &x[t * stride + k]);
}

const struct fast_kernels fast_neon = FAST_KERNELS("neon", multiply);
#endif
