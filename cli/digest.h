// SPDX-License-Identifier: Apache-2.0
//
// digest - computes the hashes that publishers give for a file's bytes
#ifndef GPT2RTL_DIGEST_H
#define GPT2RTL_DIGEST_H

#include <stdbool.h>

#include "err.h"

// Hexadecimal digits, and the room for them.
enum { DIGEST_SHA256 = 64, DIGEST_SHA1 = 40, DIGEST_TEXT = 65 };

// Writes the sha256 of an open file's bytes to text, or the file's git object id, which is the
// SHA-1 of "blob SIZE\0" and the bytes. A large file shows a progress bar with name. Errors: it is
// not a regular file; it cannot be read.
int digest_file(char text[static DIGEST_TEXT], int file, bool sha256, const char *name,
                struct err *err);

#endif
