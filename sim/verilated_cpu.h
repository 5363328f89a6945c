// SPDX-License-Identifier: Apache-2.0
//
// verilated_cpu - which instructions of the processor a simulator needs
//
// CPU_WORDS lists the instructions that compilers may use beyond the architecture's baseline: the
// kernel's word in /proc/cpuinfo, and the macro that the compiler defines if it may use them. A
// simulator has, after CPU_MARK, the words whose macro was defined; the program looks for them in
// the file before it loads it (library.c).
#ifndef GPT2RTL_VERILATED_CPU_H
#define GPT2RTL_VERILATED_CPU_H

#define CPU_MARK "gpt2rtl-cpu:"

#if defined __x86_64__
// clang-format off
#define CPU_WORDS(X)                                                                              \
  X(pni, __SSE3__) X(ssse3, __SSSE3__) X(sse4_1, __SSE4_1__) X(sse4_2, __SSE4_2__)                \
  X(sse4a, __SSE4A__) X(popcnt, __POPCNT__) X(cx16, __GCC_HAVE_SYNC_COMPARE_AND_SWAP_16)          \
  X(lahf_lm, __LAHF_SAHF__) X(movbe, __MOVBE__) X(abm, __LZCNT__) X(bmi1, __BMI__)                \
  X(bmi2, __BMI2__) X(tbm, __TBM__) X(adx, __ADX__) X(f16c, __F16C__) X(fma, __FMA__)             \
  X(fma4, __FMA4__) X(xop, __XOP__) X(avx, __AVX__) X(avx2, __AVX2__) X(aes, __AES__)             \
  X(pclmulqdq, __PCLMUL__) X(sha_ni, __SHA__) X(gfni, __GFNI__) X(vaes, __VAES__)                 \
  X(vpclmulqdq, __VPCLMULQDQ__) X(avx_vnni, __AVXVNNI__) X(avx_ifma, __AVXIFMA__)                 \
  X(avx_vnni_int8, __AVXVNNIINT8__) X(avx_ne_convert, __AVXNECONVERT__)                           \
  X(avx_vnni_int16, __AVXVNNIINT16__) X(movdiri, __MOVDIRI__) X(movdir64b, __MOVDIR64B__)         \
  X(3dnowprefetch, __PRFCHW__) X(apx, __APX_F__) X(avx512f, __AVX512F__)                          \
  X(avx512cd, __AVX512CD__) X(avx512er, __AVX512ER__) X(avx512pf, __AVX512PF__)                   \
  X(avx512vl, __AVX512VL__) X(avx512bw, __AVX512BW__) X(avx512dq, __AVX512DQ__)                   \
  X(avx512ifma, __AVX512IFMA__) X(avx512vbmi, __AVX512VBMI__) X(avx512_vbmi2, __AVX512VBMI2__)    \
  X(avx512_vnni, __AVX512VNNI__) X(avx512_bitalg, __AVX512BITALG__)                               \
  X(avx512_vpopcntdq, __AVX512VPOPCNTDQ__) X(avx512_bf16, __AVX512BF16__)                         \
  X(avx512_fp16, __AVX512FP16__) X(avx512_vp2intersect, __AVX512VP2INTERSECT__)                   \
  X(avx512_4vnniw, __AVX5124VNNIW__) X(avx512_4fmaps, __AVX5124FMAPS__)
// clang-format on
#elif defined __aarch64__
// clang-format off
#define CPU_WORDS(X)                                                                              \
  X(atomics, __ARM_FEATURE_ATOMICS) X(crc32, __ARM_FEATURE_CRC32) X(aes, __ARM_FEATURE_AES)       \
  X(aes, __ARM_FEATURE_CRYPTO) X(sha2, __ARM_FEATURE_SHA2) X(sha3, __ARM_FEATURE_SHA3)            \
  X(sha512, __ARM_FEATURE_SHA512) X(sm4, __ARM_FEATURE_SM4) X(asimddp, __ARM_FEATURE_DOTPROD)     \
  X(asimdrdm, __ARM_FEATURE_QRDMX) X(asimdhp, __ARM_FEATURE_FP16_VECTOR_ARITHMETIC)               \
  X(asimdfhm, __ARM_FEATURE_FP16_FML) X(fcma, __ARM_FEATURE_COMPLEX)                              \
  X(jscvt, __ARM_FEATURE_JCVT) X(lrcpc, __ARM_FEATURE_RCPC) X(frint, __ARM_FEATURE_FRINT)         \
  X(bf16, __ARM_FEATURE_BF16) X(i8mm, __ARM_FEATURE_MATMUL_INT8) X(mops, __ARM_FEATURE_MOPS)      \
  X(sve, __ARM_FEATURE_SVE) X(svebf16, __ARM_FEATURE_SVE_BF16)                                    \
  X(svei8mm, __ARM_FEATURE_SVE_MATMUL_INT8) X(sve2, __ARM_FEATURE_SVE2)                           \
  X(svebitperm, __ARM_FEATURE_SVE2_BITPERM) X(sveaes, __ARM_FEATURE_SVE2_AES)                     \
  X(svesha3, __ARM_FEATURE_SVE2_SHA3) X(svesm4, __ARM_FEATURE_SVE2_SM4)
// clang-format on
#else
#define CPU_WORDS(X)  // the Makefile uses nothing beyond the baseline there
#endif

#endif
