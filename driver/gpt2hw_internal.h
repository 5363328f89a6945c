// SPDX-License-Identifier: Apache-2.0
//
// gpt2hw_internal - shared by the driver's two files
#ifndef GPT2HW_INTERNAL_H
#define GPT2HW_INTERNAL_H

#include "gpt2hw.h"

// Writes dev->model and dev->place to the registers.
void gpt2hw_configure(struct gpt2hw *dev);

#endif
