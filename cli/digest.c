// SPDX-License-Identifier: Apache-2.0
#include "digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"

enum { CHUNK = 1 << 20 };

static int update(EVP_MD_CTX *hash, int file, uint64_t size, const char *name, struct err *err) {
  unsigned char *chunk = malloc(CHUNK);
  struct progress bar;
  uint64_t done = 0;
  char what[64];
  if (!chunk) return err_memory(err, name);
  snprintf(what, sizeof what, "checking %.40s", name);
  progress_start(&bar, what, size);
  ssize_t n = 0;
  while (done < size && (n = pread(file, chunk, CHUNK, (off_t)done)) > 0) {
    EVP_DigestUpdate(hash, chunk, (size_t)n);
    done += (uint64_t)n;
    progress_show(&bar, done, NULL);
  }
  progress_end(&bar);
  free(chunk);
  return done == size ? 0
                      : err_set(err, "%s: cannot be read: %s", name,
                                n < 0 ? strerror(errno) : "it became shorter");
}

int digest_file(char text[static DIGEST_TEXT], int file, bool sha256, const char *name,
                struct err *err) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  struct stat st;
  if (fstat(file, &st)) return err_set(err, "%s: %s", name, strerror(errno));
  if (!S_ISREG(st.st_mode)) return err_set(err, "%s: not a regular file", name);
  EVP_MD_CTX *hash = EVP_MD_CTX_new();
  if (!hash || !EVP_DigestInit_ex(hash, sha256 ? EVP_sha256() : EVP_sha1(), NULL)) {
    EVP_MD_CTX_free(hash);
    return err_set(err, "%s: libcrypto has no %s", name, sha256 ? "SHA-256" : "SHA-1");
  }
  if (!sha256) {
    char head[32];
    EVP_DigestUpdate(hash, head,
                     (size_t)snprintf(head, sizeof head, "blob %llu",
                                      (unsigned long long)st.st_size) +
                         1);
  }
  const int result = update(hash, file, (uint64_t)st.st_size, name, err);
  EVP_DigestFinal_ex(hash, bytes, &length);
  EVP_MD_CTX_free(hash);
  for (unsigned i = 0; i < length; i++) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
  return result;
}
