// SPDX-License-Identifier: Apache-2.0
#include "download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "staged.h"
#include "transfer.h"

enum { ENOUGH = 1 << 20 };  // bytes that count as progress

// Repeats attempts until the file has all its bytes, or until too many have failed in a row.
static int receive(struct transfer *t, struct err *err) {
  for (unsigned failures = 0;;) {
    const uint64_t before = t->have;
    const int result = transfer_attempt(t, err);
    if (result <= 0) return result;
    failures = t->have >= before + ENOUGH ? 1 : failures + 1;
    if (failures > t->what->retries) return -1;
    const unsigned step = failures < 6 ? failures : 6;
    nanosleep(&(struct timespec){.tv_sec = (1 << step) / 4,
                                 .tv_nsec = (1 << step) % 4 * 250000000L},
              NULL);
  }
}

// ------------------------------------------------------------------------------------------ checks

// Returns 0 if the file's hash is the expected one, 1 if not (err has both hashes), -1 after an
// error.
static int check(const struct transfer *t, struct err *err) {
  const char *expected = t->what->sha256 ? t->what->sha256 : t->served;
  char found[DIGEST_TEXT];
  if (!expected[0]) {
    err_set(err, "%s: the server gives no hash (X-Linked-ETag, ETag) for checking the file",
            t->what->url);
    return 1;
  }
  if (digest_file(found, t->file, strlen(expected) == DIGEST_SHA256, t->what->name, err)) return -1;
  if (!strcmp(found, expected)) return 0;
  err_set(err,
          "%s: %s of its %llu bytes is %s, expected %s: not kept; it was altered in transit, or is "
          "another file",
          t->what->url, strlen(expected) == DIGEST_SHA256 ? "sha256" : "the git object id",
          (unsigned long long)t->have, found, expected);
  return 1;
}

static int receive_checked(struct transfer *t, struct err *err) {
  t->pieced = t->have > 0;
  if (t->what->size && t->have > t->what->size && transfer_cut(t, 0))
    return err_set(err, "%s", t->problem);
  const bool complete = t->what->size && t->have == t->what->size && t->what->sha256;
  if (!complete && receive(t, err)) return -1;
  int result = check(t, err);
  if (result == 1 && t->pieced) {  // an older piece may be wrong: fetch everything once more
    t->whole = true;
    if (receive(t, err)) return -1;
    result = check(t, err);
  }
  if (result == 1) transfer_cut(t, 0);
  return result ? -1 : 0;
}

static int run(struct transfer *t, const char *part, struct err *err) {
  struct stat st;
  if (flock(t->file, LOCK_EX | LOCK_NB))
    return err_set(err, "%s: another download is writing it", part);
  if (fstat(t->file, &st)) return err_set(err, "%s: %s", part, strerror(errno));
  if (!S_ISREG(st.st_mode))
    return err_set(err, "%s: cannot be written: it is not a regular file", part);
  t->have = (uint64_t)st.st_size;
  t->total = t->what->size;
  t->curl = curl_easy_init();
  if (!t->curl) return err_memory(err, "libcurl");
  progress_start(&t->bar, t->what->name, t->total);
  const int result = receive_checked(t, err);
  progress_end(&t->bar);
  curl_easy_cleanup(t->curl);
  if (!result && fsync(t->file))
    return err_set(err, "%s: cannot be written: %s", part, strerror(errno));
  if (!result && staged_place(part, t->what->path, err)) return -1;
  if (result && !t->have) unlink(part);
  return result;
}

// Checks what is at path. Returns 1 for the right file, 0 for nothing, -1 for something else.
static int check_there(const struct download *what, struct err *err) {
  char found[DIGEST_TEXT];
  const int file = open(what->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0)
    return errno == ENOENT ? 0
                           : err_set(err, "%s: cannot be read: %s", what->path, strerror(errno));
  int result = what->sha256 ? digest_file(found, file, true, what->name, err) : 0;
  close(file);
  if (result || !what->sha256) return result ? -1 : 1;
  if (!strcmp(found, what->sha256)) return 1;
  return err_set(err,
                 "%s exists, but is not the file to be fetched (sha256 %s, expected %s): remove "
                 "it, or fetch elsewhere with --output",
                 what->path, found, what->sha256);
}

enum download_result download(const struct download *what, struct err *err) {
  struct transfer t = {.what = what};
  char part[FILE_PATH_SIZE];
  const int there = check_there(what, err);
  if (there) return there < 0 ? DOWNLOAD_FAILED : DOWNLOAD_THERE;
  if ((size_t)snprintf(part, sizeof part, "%s.part", what->path) >= sizeof part) {
    err_set(err, "%.100s...: the path is too long", what->path);
    return DOWNLOAD_FAILED;
  }
  t.file = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  if (t.file < 0) {
    err_set(err, "%s: cannot be written: %s", part, strerror(errno));
    return DOWNLOAD_FAILED;
  }
  const int result = run(&t, part, err);
  close(t.file);
  return result && t.absent && what->optional ? DOWNLOAD_ABSENT
         : result                             ? DOWNLOAD_FAILED
                                              : DOWNLOAD_DONE;
}
