// SPDX-License-Identifier: Apache-2.0
#include "err.h"

#include <stdarg.h>
#include <stdio.h>

int err_set(struct err *err, const char *format, ...) {
  if (err != NULL) {
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    for (char *c = err->text; *c != '\0'; c++) {
      if ((unsigned char)*c < 0x20 || *c == 0x7F) {
        *c = '?';
      }
    }
  }
  return -1;
}

int err_memory(struct err *err, const char *what) {
  return err_set(err, "out of memory for %s", what);
}
