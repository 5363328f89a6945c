// SPDX-License-Identifier: Apache-2.0
//
// verilated_block - what the shared object of a Verilated module exports: any module, ports by name
//
// build/block/<module>_s<Segments>.so has one symbol, verilated_block, of type struct
// verilated_block. Written by sim/verilated_block.cpp, the only C++ around it.
#ifndef GPT2RTL_VERILATED_BLOCK_H
#define GPT2RTL_VERILATED_BLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct verilated_port {
  const char *name;  // of a signal inside that the build makes public: with its path,
                     // "gpt2_top.u_core.rows"
  unsigned width;    // bits
  unsigned bytes;    // 1, 2, 4, 8 or a multiple of 4: the value in memory, unused upper bits zero
  int input;
  void *data;  // the value of this instance
};

struct verilated_block {
  void *(*create)(const char *waveform);  // waveform: name of the waveform file or NULL
  void (*destroy)(void *instance);
  unsigned (*ports)(void *instance,
                    const struct verilated_port **ports);  // their number; freed with the instance
  int (*eval)(void *instance);  // 0, or the number of assertions that have failed so far

  // Waveforms (FST) at any time after create; all NULL in builds without. A scope is a path,
  // "gpt2_top.u_core"; of a packed struct, whose fields are signals, with a colon after its name:
  // "gpt2_top.event_o:". open: of the signals directly in n scopes (0: of all); waveform_on 1:
  // values from this moment on, at each eval; 0: no more.
  void (*waveform_open)(void *instance, const char *path, const char *const *scopes, unsigned n);
  void (*waveform_on)(void *instance, int on);
  void (*waveform_close)(void *instance);
  // Calls signal for each signal of a closed file, with its name as GTKWave shows it. Returns -1 if
  // it is not an FST file.
  int (*waveform_read)(const char *path,
                       void (*signal)(void *ctx, const char *scope, const char *name,
                                      unsigned width),
                       void *ctx);
};

extern const struct verilated_block verilated_block;

#ifdef __cplusplus
}
#endif
#endif
