// SPDX-License-Identifier: Apache-2.0
//
// model_code - opens the shared object of a Verilated model (verilated_block.h)
#ifndef GPT2RTL_MODEL_CODE_H
#define GPT2RTL_MODEL_CODE_H

#include "err.h"
#include "verilated_block.h"

// Opens the shared object at path. On success *code is the model's functions; release *handle with
// dlclose. Errors: it cannot be opened; it holds no Verilated model. *handle is then NULL.
int model_code_open(void **handle, const struct verilated_block **code, const char *path,
                    struct err *err);

#endif
