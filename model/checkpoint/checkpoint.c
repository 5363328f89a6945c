// SPDX-License-Identifier: Apache-2.0
#include "checkpoint.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "file.h"
#include "json_util.h"

enum { MAX_SHARDS = 256 };

static const char single[] = "model.safetensors", sharded[] = "model.safetensors.index.json";

// --------------------------------------------------------------------- folders without safetensors

static int explain_missing(const char *dir, struct err *err) {
  static const struct {
    const char *name, *what, *option;
  } others[] = {
      {"pytorch_model.bin", "PyTorch's pickle format", ""},
      {"pytorch_model.bin.index.json", "PyTorch's pickle format, in several files", ""},
      {"tf_model.h5", "TensorFlow's format", ", from_tf=True"},
      {"flax_model.msgpack", "Flax's format", ", from_flax=True"},
  };
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    char path[FILE_PATH_SIZE];
    if (file_join(path, dir, others[i].name, NULL) == 0 && file_exists(path)) {
      return err_set(err,
                     "%.100s: no %s; %s is there, %s; convert it: python3 -c \"from transformers "
                     "import GPT2LMHeadModel as M; M.from_pretrained('%.100s'%s)"
                     ".save_pretrained('%.100s', safe_serialization=True)\"",
                     dir, single, others[i].name, others[i].what, dir, others[i].option, dir);
    }
  }
  return err_set(err,
                 "%s: no %s; expected a folder with config.json, %s (or %s and its shards), and "
                 "vocab.json and merges.txt or tokenizer.json; `gpt2rtl fetch gpt2` makes one",
                 dir, single, single, sharded);
}

// ------------------------------------------------------------------------------------------ shards

// The shard with that file name, opened on first use. NULL after an error.
static struct safetensors *shard(struct checkpoint *c, const char *dir, const char *index,
                                 const char *name, struct err *err) {
  for (size_t i = 0; i < c->count; i++)
    if (strcmp(strrchr(safetensors_path(c->files[i]), '/') + 1, name) == 0) return c->files[i];
  char path[FILE_PATH_SIZE];
  static const char suffix[] = ".safetensors";
  size_t length = strlen(name);
  if (length < sizeof suffix || length > 200 || strchr(name, '/') != NULL || name[0] == '.' ||
      strcmp(name + length - (sizeof suffix - 1), suffix) != 0) {
    err_set(err, "%s: weight_map names \"%.80s\", expected *%s in the same folder", index, name,
            suffix);
    return NULL;
  }
  if (c->count == MAX_SHARDS) {
    err_set(err, "%s: weight_map names more than %d files", index, MAX_SHARDS);
    return NULL;
  }
  if (file_join(path, dir, name, err) != 0) return NULL;
  if (!file_exists(path)) {
    err_set(err, "%s: the shard %.80s that it names is absent: fetch it into %.200s", index, name,
            dir);
    return NULL;
  }
  if (safetensors_open(&c->files[c->count], path, err) != 0) return NULL;
  return c->files[c->count++];
}

static int check_once(const struct checkpoint *c, struct err *err) {
  for (size_t i = 0; i < c->count; i++) {
    for (size_t t = 0; t < safetensors_count(c->files[i]); t++) {
      const char *name = safetensors_at(c->files[i], t)->name;
      for (size_t other = i + 1; other < c->count; other++) {
        if (safetensors_find(c->files[other], name) != NULL) {
          return err_set(err, "%s: tensor %.80s is also in %s", safetensors_path(c->files[i]), name,
                         safetensors_path(c->files[other]));
        }
      }
    }
  }
  return 0;
}

static int open_map(struct checkpoint *c, const cJSON *map, const char *dir, const char *index,
                    struct err *err) {
  if (!cJSON_IsObject(map) || !map->child)
    return err_set(err, "%s: no weight_map, {\"tensor\": \"file\", ...}", index);
  const cJSON *entry;
  cJSON_ArrayForEach(entry, map) {
    if (!cJSON_IsString(entry))
      return err_set(err, "%s: weight_map gives tensor %.80s no file name", index, entry->string);
    const struct safetensors *file = shard(c, dir, index, entry->valuestring, err);
    if (!file) return -1;
    if (safetensors_find(file, entry->string) == NULL) {
      return err_set(err,
                     "%s: tensor %.80s should be in %.80s but is not: the index and the shards are "
                     "not of the same model",
                     index, entry->string, entry->valuestring);
    }
  }
  return check_once(c, err);
}

static int open_shards(struct checkpoint *c, const char *dir, const char *index, struct err *err) {
  cJSON *root;
  if (json_read(&root, index, err) != 0) return -1;
  const cJSON *map = cJSON_GetObjectItemCaseSensitive(root, "weight_map");
  int result = open_map(c, map, dir, index, err);
  cJSON_Delete(root);
  return result;
}

// ----------------------------------------------------------------------------------------- opening

int checkpoint_open(struct checkpoint *checkpoint, const char *dir, struct err *err) {
  char path[FILE_PATH_SIZE], index[FILE_PATH_SIZE];
  *checkpoint = (struct checkpoint){0};
  if (config_no_adapter(dir, err) != 0 || file_join(path, dir, single, err) != 0 ||
      file_join(index, dir, sharded, err) != 0)
    return -1;
  const bool one = file_exists(path);
  if (!one && !file_exists(index)) return explain_missing(dir, err);
  checkpoint->files = calloc(one ? 1 : MAX_SHARDS, sizeof(struct safetensors *));
  if (!checkpoint->files) return err_memory(err, path);
  int result = one ? safetensors_open(&checkpoint->files[0], path, err)
                   : open_shards(checkpoint, dir, index, err);
  if (result != 0) checkpoint_close(checkpoint);
  else if (one) checkpoint->count = 1;
  return result;
}

void checkpoint_close(struct checkpoint *checkpoint) {
  for (size_t i = 0; i < checkpoint->count; i++) safetensors_close(checkpoint->files[i]);
  free(checkpoint->files);
  *checkpoint = (struct checkpoint){0};
}

const struct safetensors_tensor *checkpoint_find(const struct checkpoint *checkpoint,
                                                 const char *name,
                                                 const struct safetensors **file) {
  for (size_t i = 0; i < checkpoint->count; i++) {
    const struct safetensors_tensor *tensor = safetensors_find(checkpoint->files[i], name);
    if (tensor) {
      *file = checkpoint->files[i];
      return tensor;
    }
  }
  return NULL;
}
