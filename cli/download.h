// SPDX-License-Identifier: Apache-2.0
//
// download - downloads a file by HTTP or HTTPS: resumes where an earlier download was interrupted,
// checks the file, and names it when it is complete
//
// The bytes go to "path.part". When a download ends early, the file is kept, and the next download
// requests the rest (Range). It is renamed to path when its size and hash are right. A file that
// already exists with the right hash is not downloaded again.
//
// The hash is the caller's sha256, if there is one. Otherwise it is the one that the server gives
// for the file at that address, as huggingface.co does: X-Linked-ETag is the sha256 of a large
// file, and the ETag of a small file is its git object id. A server that gives neither is refused.
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
  unsigned timeout;    // seconds without a byte or an answer after which a connection is given up
  bool optional;       // the server may not have the file
  unsigned retries;    // consecutive temporary failures to retry, each after a longer wait
};

enum download_result {
  DOWNLOAD_DONE,
  DOWNLOAD_THERE,   // the file was already there
  DOWNLOAD_ABSENT,  // an optional file that the server does not have
  DOWNLOAD_FAILED = -1,
};

// Downloads one file. Errors have the address, what the server answered or did, and what to do;
// path is then unchanged.
enum download_result download(const struct download *what, struct err *err);

#endif
