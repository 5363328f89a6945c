// SPDX-License-Identifier: Apache-2.0
//
// top_show - shows the most likely candidates of a step, for generate --top
#ifndef GPT2RTL_TOP_SHOW_H
#define GPT2RTL_TOP_SHOW_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "err.h"
#include "gpt2rtl.h"

// Prints one line each on standard output: "  * 0.8312  0.9027  409  " there"". The star marks the
// choice. If the model has no tokenizer, only ids are printed. Errors: stdout_write's.
int top_print(const struct gpt2rtl_candidate *list, size_t n, uint32_t choice,
              const struct gpt2rtl_model *model, struct err *err);
// [{"id": 409, "text": " there", "probability": 0.8312, "drawn": 0.9027}, ...]
cJSON *top_json(const struct gpt2rtl_candidate *list, size_t n, const struct gpt2rtl_model *model);

#endif
