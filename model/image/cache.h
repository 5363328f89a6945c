// SPDX-License-Identifier: Apache-2.0
// cache - the folder for results that are kept: $XDG_CACHE_HOME/gpt2rtl, or ~/.cache/gpt2rtl

#ifndef GPT2RTL_CACHE_H
#define GPT2RTL_CACHE_H

#include "err.h"
#include "file.h"

// Creates a folder and its parents. Errors: one of them cannot be created.
int folder_make(const char *path, struct err *err);

// Writes the folder's path. Errors: neither XDG_CACHE_HOME nor HOME is set.
int cache_path(char path[static FILE_PATH_SIZE], struct err *err);
// The same, and creates it. Errors: neither XDG_CACHE_HOME nor HOME is set; it cannot be created.
int cache_folder(char path[static FILE_PATH_SIZE], struct err *err);

#endif
