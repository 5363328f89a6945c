// SPDX-License-Identifier: Apache-2.0
//
// download - one file by HTTP or HTTPS: resumed where it was interrupted, checked, and named when
// it is complete
//
// The bytes go to "path.part", which is kept when a download ends early; the next one requests the
// rest (Range). It becomes path when its size and hash are right. A file that already exists with
// the right hash is left alone.
//
// The hash is the sha256 if the caller knows it. Otherwise it is what the server states for the
// file at that address, as huggingface.co does: X-Linked-ETag is the sha256 of a large file; the
// ETag of a small one is git's object id, the SHA-1 of "blob SIZE\0" and the bytes. A server that
// states neither is refused.
#ifndef GPT2RTL_DOWNLOAD_H
#define GPT2RTL_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct download {
  const char *url;
  const char *path;
  const char *name;    // for the progress bar and messages
  uint64_t size;       // 0: not known
  const char *sha256;  // 64 hexadecimal digits, or NULL
  unsigned timeout;    // seconds without a byte, or without an answer, after which a connection is
                       // given up
  bool optional;       // the server may not have the file
  unsigned retries;    // consecutive failures to retry, if they may pass, each time waiting longer
};

enum download_result {
  DOWNLOAD_DONE,
  DOWNLOAD_THERE,   // nothing had to be done
  DOWNLOAD_ABSENT,  // an optional file that the server does not have
  DOWNLOAD_FAILED = -1,
};

// Errors: the address, what the server said or did, and what to do. path is then unchanged.
enum download_result download(const struct download *what, struct err *err);

#endif
