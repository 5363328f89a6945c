// SPDX-License-Identifier: Apache-2.0
// err - how the library reports failure
//
// A function that can fail returns 0 or -1 and takes a caller-owned struct err. On -1 the text is
// one sentence without a newline: what failed, where (path, offset, tensor), what was expected,
// what was found and, where there is one, the next command. The library itself never prints.

#ifndef GPT2RTL_ERR_H
#define GPT2RTL_ERR_H

struct err {
  char text[512];
};

// Formats the text of err, truncated to its size. The text can contain names from hostile files, so
// characters that are unsafe on a terminal become \xNN (printable.h). err may be NULL. Returns -1,
// so that a failing function ends with `return err_set(err, ...)`.
int err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Sets the message for memory exhaustion; `what` names the thing that did not fit. Returns -1.
int err_memory(struct err *err, const char *what);

#endif
