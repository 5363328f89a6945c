// SPDX-License-Identifier: Apache-2.0
//
// staged - writes files and folders that appear only when they are complete
//
// Output is first written to a staging file in the target's folder, "name.tmp-" and eight random
// characters. It is opened with O_EXCL, which follows no link and never reuses an existing file.
// When the output is complete, the file is synced to the disk (fsync) and renamed, and the folder
// is synced too. After an error or a signal (interrupt.h) the staging file is removed, and the
// target is as before.
//
// Symbolic links are followed. A replacement inherits the old file's mode, and its owner if that is
// permitted; a new file gets its mode from the umask. A target that exists and is not a regular
// file (a terminal, a pipe, /dev/null) is written directly, as are /dev/stdout and /dev/fd/N. "-"
// is refused, because it could mean standard output or a file.
#ifndef GPT2RTL_STAGED_H
#define GPT2RTL_STAGED_H

#include <stdbool.h>
#include <stdio.h>

#include "err.h"
#include "file.h"

struct staged {
  FILE *file;   // to write to; NULL when closed
  bool direct;  // written without a staging file; it may not be seekable
  int slot;
  char name[FILE_PATH_SIZE];  // as given: for messages
  char path[FILE_PATH_SIZE];  // links followed
  char staging[FILE_PATH_SIZE];
};

// Opens staged->file for writing. Errors: path is a folder; its folder does not exist; one of the
// two is not writable.
int staged_open(struct staged *staged, const char *path, struct err *err);
// Completes the output: path then has all of it. Errors: a write or the rename failed; the output
// is then discarded.
int staged_commit(struct staged *staged, struct err *err);
// Removes the output. Harmless on a zeroed or closed struct.
void staged_discard(struct staged *staged);

struct staged_folder {
  int slot;
  const char *const *names;
  char name[FILE_PATH_SIZE];
  char path[FILE_PATH_SIZE];
  char staging[FILE_PATH_SIZE];  // the folder to write to; "" if closed
};

// Creates a staging folder, in which the caller writes some or all of the files `names`. `names`
// ends with NULL and lives as long as the program.
int staged_folder_open(struct staged_folder *folder, const char *path, const char *const *names,
                       struct err *err);
// Renames the folder to path, which must be absent or an empty folder.
int staged_folder_commit(struct staged_folder *folder, struct err *err);
// Renames one of its files to path and removes the others. This is for writers that take only a
// name, and create other files next to it.
int staged_folder_commit_file(struct staged_folder *folder, const char *file, struct err *err);
void staged_folder_discard(struct staged_folder *folder);

// Renames a complete file, `from`, to path by the rules above.
int staged_place(const char *from, const char *path, struct err *err);

#endif
