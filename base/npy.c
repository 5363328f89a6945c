// SPDX-License-Identifier: Apache-2.0
#include "npy.h"

#include <string.h>

int npy_write(FILE *file, const float *x, const size_t *shape, size_t rank) {
  char head[192] = "\x93NUMPY\x01";
  const size_t text = 10;
  size_t length = text, count = 1;
  length += (size_t)snprintf(head + length, sizeof head - length,
                             "{'descr': '<f4', 'fortran_order': False, 'shape': (");
  for (size_t i = 0; i < rank; i++) {
    length += (size_t)snprintf(head + length, sizeof head - length, i + 1 < rank ? "%zu, " : "%zu",
                               shape[i]);
    count *= shape[i];
  }
  length += (size_t)snprintf(head + length, sizeof head - length, rank == 1 ? ",), }" : "), }");
  while ((length + 1) % 64 != 0) head[length++] = ' ';
  head[length++] = '\n';
  head[8] = (char)((length - text) & 255);
  head[9] = (char)((length - text) >> 8);
  return fwrite(head, 1, length, file) == length && fwrite(x, sizeof *x, count, file) == count ? 0
                                                                                               : -1;
}
