// SPDX-License-Identifier: Apache-2.0
//
// verilated_signs - sign extension and arithmetic shift in a form that compilers recognise
//
// Verilator extends a sign by -(x & sign bit) | x. Compilers do not recognise this, and so do not
// see that a product's factors have 8 and 16 bits. Shifting up and down again makes it clear: the
// engine's loop then needs only shifts. The values are the same. The file is included before what
// Verilator wrote and after verilated.h (sim/verilate.sh).
#ifndef GPT2RTL_VERILATED_SIGNS_H
#define GPT2RTL_VERILATED_SIGNS_H

#include <verilated.h>

static inline IData extend_sign_32(int bits, IData x) {
  return (IData)((int32_t)(x << (32 - bits)) >> (32 - bits));
}
static inline QData extend_sign_64(int bits, QData x) {
  return (QData)((int64_t)(x << (64 - bits)) >> (64 - bits));
}

#define VL_EXTENDS_II(obits, lbits, lhs) extend_sign_32(lbits, lhs)
#define VL_EXTENDS_QI(obits, lbits, lhs) extend_sign_64(lbits, lhs)
#define VL_EXTENDS_QQ(obits, lbits, lhs) extend_sign_64(lbits, lhs)
#define VL_MULS_III(lbits, lhs, rhs) \
  ((IData)(extend_sign_32(lbits, lhs) * extend_sign_32(lbits, rhs)))
#define VL_MULS_QQQ(lbits, lhs, rhs) (extend_sign_64(lbits, lhs) * extend_sign_64(lbits, rhs))

#endif
