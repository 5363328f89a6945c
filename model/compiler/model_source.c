// SPDX-License-Identifier: Apache-2.0
#include "model_source.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "image_build.h"
#include "staged.h"

enum { SETTLED = 2 };  // seconds

static int is_part(const struct dirent *entry) {
  const char *dot = strrchr(entry->d_name, '.');
  return dot && (!strcmp(dot, ".json") || !strcmp(dot, ".safetensors"));
}

static void add_file(XXH64_state_t *sum, struct model_identity *identity, const char *dir,
                     const char *name) {
  char path[FILE_PATH_SIZE];
  struct stat st;
  if (file_join(path, dir, name, NULL) || stat(path, &st)) memset(&st, 0, sizeof st);
  const int64_t facts[] = {
      (int64_t)st.st_size, (int64_t)st.st_ino,         (int64_t)st.st_mtim.tv_sec,
      st.st_mtim.tv_nsec,  (int64_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec,
  };
  XXH64_update(sum, name, strlen(name) + 1);
  XXH64_update(sum, facts, sizeof facts);
  if (st.st_mtim.tv_sec > identity->newest) identity->newest = st.st_mtim.tv_sec;
  if (st.st_ctim.tv_sec > identity->newest) identity->newest = st.st_ctim.tv_sec;
}

int model_identity(struct model_identity *identity, const char *dir, struct err *err) {
  struct dirent **names;
  *identity = (struct model_identity){0};
  char *real = realpath(dir, NULL);
  const int n = real ? scandir(real, &names, is_part, alphasort) : -1;
  if (n < 0) {
    free(real);
    return err_set(err, "%s: the model's folder cannot be read: %s", dir, strerror(errno));
  }
  XXH64_state_t *sum = XXH64_createState();
  if (sum) {
    XXH64_reset(sum, 0);
    XXH64_update(sum, real, strlen(real) + 1);
  }
  for (int i = 0; i < n; i++) {
    if (sum) add_file(sum, identity, real, names[i]->d_name);
    free(names[i]);
  }
  free(names);
  free(real);
  if (!sum) return err_memory(err, "a checksum");
  identity->key = XXH64_digest(sum);
  XXH64_freeState(sum);
  return 0;
}

static int source_path(char path[static FILE_PATH_SIZE], const char *cache,
                       const struct model_identity *identity) {
  char name[32];
  snprintf(name, sizeof name, "%016" PRIx64 ".source", identity->key);
  return file_join(path, cache, name, NULL);
}

int model_source_find(uint64_t *source, const char *cache, const struct model_identity *identity) {
  char path[FILE_PATH_SIZE], text[18] = "";
  FILE *f = source_path(path, cache, identity) ? NULL : fopen(path, "r");
  const bool read = f && fread(text, 1, 17, f) == 17;
  if (f) fclose(f);
  if (!read || text[16] != '\n' || strspn(text, "0123456789abcdef") != 16) return -1;
  *source = strtoull(text, NULL, 16);
  return 0;
}

void model_source_keep(uint64_t source, const char *cache, const struct model_identity *identity,
                       const char *dir) {
  char path[FILE_PATH_SIZE];
  struct staged out;
  if (identity->newest + SETTLED > time(NULL) || source_path(path, cache, identity) ||
      staged_open(&out, path, NULL))
    return;
  char *real = realpath(dir, NULL);
  fprintf(out.file, "%016" PRIx64 "\n%s\n", source, real ? real : dir);
  free(real);
  staged_commit(&out, NULL);
}

int model_source_load(struct gpt2_weights *weights, uint64_t *source, bool known,
                      const struct model_identity *identity, const char *dir, struct err *err) {
  struct model_identity now;
  if (!known && image_source(source, dir, err)) return -1;
  if (weights_load(weights, dir, err)) return -1;
  int result = model_identity(&now, dir, err);
  if (!result && now.key != identity->key)
    result = err_set(err, "%s: its files were changed while they were read: try again", dir);
  if (result) weights_free(weights);
  return result;
}
