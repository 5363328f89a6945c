// SPDX-License-Identifier: Apache-2.0
//
// digest - the hashes by which publishers name a file's bytes
#ifndef GPT2RTL_DIGEST_H
#define GPT2RTL_DIGEST_H

#include <stdbool.h>

#include "err.h"

enum {
  DIGEST_SHA256 = 64,
  DIGEST_SHA1 = 40,
  DIGEST_TEXT = 65
};  // hexadecimal digits; and room for them

// Writes to text the sha256 of an open file's bytes, or its git object id: the SHA-1 of "blob
// SIZE\0" and the bytes. Large files show a progress bar with name. Errors: not a regular file,
// cannot be read.
int digest_file(char text[static DIGEST_TEXT], int file, bool sha256, const char *name,
                struct err *err);

#endif
