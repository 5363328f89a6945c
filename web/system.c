// SPDX-License-Identifier: Apache-2.0
//
// What Emscripten's C library lacks of what base/ calls.
#include <stddef.h>
#include <sys/random.h>
#include <unistd.h>

int getentropy(void *buffer, size_t length);

ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
  (void)flags;
  return length <= 256 && !getentropy(buffer, length) ? (ssize_t)length : -1;
}
