// SPDX-License-Identifier: Apache-2.0
//
// top_show - the most likely candidates of a step, as generate --top shows them
#ifndef GPT2RTL_TOP_SHOW_H
#define GPT2RTL_TOP_SHOW_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "err.h"
#include "gpt2rtl.h"

// One line each on standard output: "  * 0.8312  0.9027  409  " there"", with the star at the
// choice. A model without a tokenizer: only ids.
int top_print(const struct gpt2rtl_candidate *list, size_t n, uint32_t choice,
              const struct gpt2rtl_model *model, struct err *err);
// [{"id": 409, "text": " there", "probability": 0.8312, "drawn": 0.9027}, ...]
cJSON *top_json(const struct gpt2rtl_candidate *list, size_t n, const struct gpt2rtl_model *model);

#endif
