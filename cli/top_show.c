// SPDX-License-Identifier: Apache-2.0
#include "top_show.h"

#include <stdio.h>

#include "cli.h"
#include "printable.h"
#include "utf8.h"

// Writes a token in quotation marks, with unprintable characters as \n, \", \\ or \xNN.
static void print_quoted(const char *text, size_t length) {
  putchar('"');
  for (size_t i = 0; i < length;) {
    const int n = utf8_character((const unsigned char *)text + i, length - i);
    const unsigned char c = (unsigned char)text[i];
    const size_t bytes = n > 0 ? (size_t)n : 1;
    if (c == '\n') fputs("\\n", stdout);
    else if (c == '"' || c == '\\') printf("\\%c", c);
    else if (n > 0 && printable_character((const unsigned char *)text + i, n))
      fwrite(text + i, 1, bytes, stdout);
    else
      for (size_t k = 0; k < bytes; k++) printf("\\x%02x", (unsigned char)text[i + k]);
    i += bytes;
  }
  putchar('"');
}

int top_print(const struct gpt2rtl_candidate *list, size_t n, uint32_t choice,
              const struct gpt2rtl_model *model, struct err *err) {
  for (size_t i = 0; i < n; i++) {
    size_t length = 0;
    const char *text = gpt2rtl_token(model, list[i].id, &length);
    printf("  %c %.4f  %.4f  %5u%s", list[i].id == choice ? '*' : ' ', list[i].probability,
           list[i].drawn, (unsigned)list[i].id, text ? "  " : "");
    if (text) print_quoted(text, length);
    putchar('\n');
  }
  return stdout_write("", 0, err);
}

cJSON *top_json(const struct gpt2rtl_candidate *list, size_t n, const struct gpt2rtl_model *model) {
  cJSON *json = cJSON_CreateArray();
  for (size_t i = 0; i < n; i++) {
    size_t length = 0;
    const char *text = gpt2rtl_token(model, list[i].id, &length);
    cJSON *candidate = cJSON_CreateObject();
    cJSON_AddNumberToObject(candidate, "id", list[i].id);
    if (text) cJSON_AddItemToObject(candidate, "text", text_json(text, length));
    cJSON_AddNumberToObject(candidate, "probability", list[i].probability);
    cJSON_AddNumberToObject(candidate, "drawn", list[i].drawn);
    cJSON_AddItemToArray(json, candidate);
  }
  return json;
}
