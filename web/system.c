// SPDX-License-Identifier: Apache-2.0
//
// The functions that base/ calls and Emscripten's C library lacks.
#include <stddef.h>
#include <sys/random.h>
#include <unistd.h>

int getentropy(void *buffer, size_t length);

ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
  (void)flags;
  return length <= 256 && !getentropy(buffer, length) ? (ssize_t)length : -1;
}
