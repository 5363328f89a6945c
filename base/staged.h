// SPDX-License-Identifier: Apache-2.0
//
// staged - files and folders that appear when they are complete, or not at all
//
// What is written has a name of its own beside the target, "name.tmp-" and eight random characters,
// made with O_EXCL, which follows no link and takes no file of others. When it is complete it is
// brought to the disk (fsync), renamed, and so is the folder's entry. After an error, or a signal
// (interrupt.h), nothing is left and what was there before is untouched.
//
// Symbolic links are followed to what they name. What is replaced hands down its mode, and its
// owner where that is allowed; what is new gets the umask's. What exists and is no regular file (a
// terminal, a pipe, /dev/null), and /dev/stdout and /dev/fd/N whatever they are, is written
// directly.
#ifndef GPT2RTL_STAGED_H
#define GPT2RTL_STAGED_H

#include <stdbool.h>
#include <stdio.h>

#include "err.h"
#include "file.h"

struct staged {
  FILE *file;   // to write to; NULL when closed
  bool direct;  // without a staging name: perhaps not seekable
  int slot;
  char name[FILE_PATH_SIZE];  // as given: for messages
  char path[FILE_PATH_SIZE];  // links followed
  char staging[FILE_PATH_SIZE];
};

// Errors: path is a folder, its folder is not there, neither may be written.
int staged_open(struct staged *staged, const char *path, struct err *err);
// All is written and path has it, or an error and nothing is left.
int staged_commit(struct staged *staged, struct err *err);
// After an error. Harmless on a zeroed or closed one.
void staged_discard(struct staged *staged);

struct staged_folder {
  int slot;
  const char *const *names;
  char name[FILE_PATH_SIZE];
  char path[FILE_PATH_SIZE];
  char staging[FILE_PATH_SIZE];  // the folder to write in; "" when there is none
};

// A folder to write the files `names` in (ends with NULL, lives as long as the program), of which
// any may be missing in the end.
int staged_folder_open(struct staged_folder *folder, const char *path, const char *const *names,
                       struct err *err);
// The folder becomes path, which must not exist or be an empty folder.
int staged_folder_commit(struct staged_folder *folder, struct err *err);
// One file of it becomes path, the rest is removed: for writers that take a name only, and make
// files beside it.
int staged_folder_commit_file(struct staged_folder *folder, const char *file, struct err *err);
void staged_folder_discard(struct staged_folder *folder);

// Renames a complete file, `from`, to path, with the rules above.
int staged_place(const char *from, const char *path, struct err *err);

#endif
