// SPDX-License-Identifier: Apache-2.0
// file - paths, read-only maps of whole files

#ifndef GPT2RTL_FILE_H
#define GPT2RTL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

enum { FILE_PATH_SIZE = 4096 };

// Writes "dir/name" to path. Error: it does not fit.
int file_join(char path[static FILE_PATH_SIZE], const char *dir, const char *name, struct err *err);

// Whether path names anything: a file, a folder or something else.
bool file_exists(const char *path);

// A whole file in memory. data is not NULL while the map is open, even if the file is empty.
struct file_map {
  const unsigned char *data;
  size_t size;
};

// Maps a regular file for reading. If it shrinks while the map is open, or its disk fails, reading
// it raises SIGBUS (file_guard_install). Errors: the file is absent, unreadable or not a regular
// file.
int file_map_open(struct file_map *map, const char *path, struct err *err);
void file_map_close(struct file_map *map);

// For a program's main. From now on, SIGBUS in one of these maps removes half-written files
// (interrupt.h), writes the file's name to standard error, and ends the program with status 1.
void file_guard_install(void);

#endif
