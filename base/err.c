// SPDX-License-Identifier: Apache-2.0
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "printable.h"
#include "utf8.h"

int err_set(struct err *err, const char *format, ...) {
  if (err) {
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t n = length < 0 ? 0 : strlen(text);
    if ((size_t)length > n) {  // truncated, perhaps within a character
      n = utf8_valid_prefix((const unsigned char *)text, n) + 3 < n
              ? n
              : utf8_valid_prefix((const unsigned char *)text, n);
    }
    printable(err->text, sizeof err->text, text, n);
  }
  return -1;
}

int err_memory(struct err *err, const char *what) {
  return err_set(err, "out of memory for %s", what);
}
