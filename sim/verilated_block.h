// SPDX-License-Identifier: Apache-2.0
//
// verilated_block - what the shared object of a Verilated module exports: any module, ports by name
//
// build/block/<module>_s<Segments>.so has one symbol, verilated_block, of type struct verilated_block. Written by
// sim/verilated_block.cpp, the only C++ around it.
#ifndef GPT2RTL_VERILATED_BLOCK_H
#define GPT2RTL_VERILATED_BLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct verilated_port {
  const char *name;
  unsigned width;      // bits
  unsigned bytes;      // 1, 2, 4, 8 or a multiple of 4: the value in memory, unused upper bits zero
  int input;
  void *data;          // the value of this instance
};

struct verilated_block {
  void *(*create)(const char *trace);                       // trace: name of the waveform file or NULL
  void (*destroy)(void *instance);
  unsigned (*ports)(void *instance, const struct verilated_port **ports);   // their number; freed with the instance
  int (*eval)(void *instance);                              // 0, or the number of assertions that have failed so far
};

extern const struct verilated_block verilated_block;

#ifdef __cplusplus
}
#endif
#endif
