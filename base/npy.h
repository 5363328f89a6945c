// SPDX-License-Identifier: Apache-2.0
// npy - NumPy's file format, version 1.0: one array of float32
//
//   1. 6 bytes 93 'N' 'U' 'M' 'P' 'Y', the version 1 0, the length of the text as 16 bits
//      little-endian
//   2. the text: a Python dictionary of descr, fortran_order and shape, then blanks and a newline,
//      so that the data begin at a multiple of 64 bytes
//   3. the data, little-endian, the last index fastest
// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

#ifndef GPT2RTL_NPY_H
#define GPT2RTL_NPY_H

#include <stddef.h>
#include <stdio.h>

enum { NPY_MAX_RANK = 4 };

// Writes x[shape[0]][shape[1]]... with 1 <= rank <= NPY_MAX_RANK to file at its current position.
// Returns 0, or -1 with errno.
int npy_write(FILE *file, const float *x, const size_t *shape, size_t rank);

#endif
