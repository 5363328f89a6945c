// SPDX-License-Identifier: Apache-2.0
//
// compare_report - prints the result of a comparison as text or as JSON
#ifndef GPT2RTL_COMPARE_REPORT_H
#define GPT2RTL_COMPARE_REPORT_H

#include <cjson/cJSON.h>

#include "compare.h"
#include "emulate.h"

struct compare_about {
  const char *model, *text;
  uint64_t context;
  size_t windows;
  const struct emulation *emulation;  // NULL: the integer model
};
int compare_print(const struct compare_result *result, const struct compare_about *about,
                  struct err *err);
cJSON *compare_json(const struct compare_result *result, const struct compare_about *about);

#endif
