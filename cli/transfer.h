// SPDX-License-Identifier: Apache-2.0
//
// transfer - requests a file or the rest of it by libcurl, and interprets the answer
#ifndef GPT2RTL_TRANSFER_H
#define GPT2RTL_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "digest.h"
#include "download.h"
#include "progress.h"

// The state of one download over all its requests. Zero it, then set what, curl, file, have and
// total.
struct transfer {
  const struct download *what;
  CURL *curl;
  int file;
  uint64_t have;                      // bytes in the file
  uint64_t total;                     // bytes of the complete file; 0: not known yet
  bool begun;                         // this answer's body has begun
  bool whole;                         // request the whole file, not the rest
  bool pieced;                        // the bytes in the file came in more than one piece
  uint64_t range_begin, range_total;  // from Content-Range; UINT64_MAX: none
  uint64_t linked_size;  // from X-Linked-Size, huggingface.co's header for the file's size; 0: none
  char served[DIGEST_TEXT];  // the hash that the server gives, hexadecimal
  bool linked;               // it is from X-Linked-ETag
  char problem[160];         // why the body was refused; the transfer then ends
  bool absent;               // the server does not have the file
  bool again;                // another attempt may succeed
  struct progress bar;
};

// Requests the bytes after those that the file has, or all if `whole` is set or the server does not
// support ranges, and writes them to the file. Returns 0 if the file has all its bytes, 1 after a
// temporary failure, -1 after a permanent one. err has the address and the reason.
int transfer_attempt(struct transfer *transfer, struct err *err);

// Truncates the file. Returns 0, or -1 with the reason in `problem`.
int transfer_cut(struct transfer *transfer, uint64_t size);

#endif
