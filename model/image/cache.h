// SPDX-License-Identifier: Apache-2.0
// cache - the folder where what is made once is kept: $XDG_CACHE_HOME/gpt2rtl, or ~/.cache/gpt2rtl

#ifndef GPT2RTL_CACHE_H
#define GPT2RTL_CACHE_H

#include "err.h"
#include "file.h"

// Makes a folder and those above it. Errors: one of them cannot be made.
int folder_make(const char *path, struct err *err);

// Writes the folder's path. Errors: neither XDG_CACHE_HOME nor HOME is set.
int cache_path(char path[static FILE_PATH_SIZE], struct err *err);
// The same, and makes it. Errors: neither XDG_CACHE_HOME nor HOME is set; it cannot be made.
int cache_folder(char path[static FILE_PATH_SIZE], struct err *err);

#endif
