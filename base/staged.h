// SPDX-License-Identifier: Apache-2.0
//
// staged - files and folders that appear when they are complete, or not at all
//
// Output is first written under a staging name beside the target: "name.tmp-" and eight random
// characters, opened with O_EXCL, which follows no link and never reuses another's file. When the
// file is complete it is synced to the disk (fsync) and renamed, and the folder's entry is synced
// too. After an error or a signal (interrupt.h) nothing is left, and whatever was there before is
// untouched.
//
// Symbolic links are followed to their targets. A replacement inherits the old file's mode, and its
// owner if that is permitted; a new file gets the umask's mode. A target that exists and is not a
// regular file (a terminal, a pipe, /dev/null) is written directly, and so are /dev/stdout and
// /dev/fd/N whatever they are.
#ifndef GPT2RTL_STAGED_H
#define GPT2RTL_STAGED_H

#include <stdbool.h>
#include <stdio.h>

#include "err.h"
#include "file.h"

struct staged {
  FILE *file;   // to write to; NULL when closed
  bool direct;  // written without a staging name: perhaps not seekable
  int slot;
  char name[FILE_PATH_SIZE];  // as given: for messages
  char path[FILE_PATH_SIZE];  // links followed
  char staging[FILE_PATH_SIZE];
};

// Errors: path is a folder; its folder does not exist; one of the two is not writable.
int staged_open(struct staged *staged, const char *path, struct err *err);
// Either everything is written and path has it, or there is an error and nothing is left.
int staged_commit(struct staged *staged, struct err *err);
// For use after an error. Harmless on a zeroed or closed one.
void staged_discard(struct staged *staged);

struct staged_folder {
  int slot;
  const char *const *names;
  char name[FILE_PATH_SIZE];
  char path[FILE_PATH_SIZE];
  char staging[FILE_PATH_SIZE];  // the folder to write in; "" if there is none
};

// A folder in which to write the files `names` (ended by NULL, lives as long as the program). Any
// of them may be missing at the end.
int staged_folder_open(struct staged_folder *folder, const char *path, const char *const *names,
                       struct err *err);
// The folder becomes path, which must not exist or be an empty folder.
int staged_folder_commit(struct staged_folder *folder, struct err *err);
// One file of it becomes path and the rest is removed: for writers that take only a name, and
// create other files beside it.
int staged_folder_commit_file(struct staged_folder *folder, const char *file, struct err *err);
void staged_folder_discard(struct staged_folder *folder);

// Renames a complete file, `from`, to path, by the rules above.
int staged_place(const char *from, const char *path, struct err *err);

#endif
