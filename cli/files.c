// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cli.h"

int input_read(const char *path, char **text, size_t *length, struct err *err) {
  const bool standard = !strcmp(path, "-");
  const char *name = standard ? "standard input" : path;
  FILE *in = standard ? stdin : fopen(path, "rb");
  size_t room = 1 << 16;
  *text = NULL;
  *length = 0;
  if (!in) return err_set(err, "%s: cannot be read: %s", name, strerror(errno));
  *text = malloc(room);
  while (*text) {
    const size_t n = fread(*text + *length, 1, room - *length - 1, in);
    *length += n;
    (*text)[*length] = 0;
    if (n == 0) break;
    if (room - *length > 1) continue;
    char *more = realloc(*text, room *= 2);
    if (!more) free(*text);
    *text = more;
  }
  const int failed = *text && ferror(in) ? errno : 0;
  if (!standard) fclose(in);
  if (!*text) return err_memory(err, name);
  if (!failed) return 0;
  free(*text);
  *text = NULL;
  return err_set(err, "%s: cannot be read: %s", name, strerror(failed));
}

int stdout_write(const void *data, size_t length, struct err *err) {
  if (fwrite(data, 1, length, stdout) == length && !fflush(stdout)) return 0;
  return err_set(err, "standard output: cannot be written: %s", strerror(errno));
}

int stdout_json(cJSON *json, struct err *err) {
  char *text = cJSON_Print(json);
  cJSON_Delete(json);
  if (!text) return err_memory(err, "JSON");
  fputs(text, stdout);
  free(text);
  return stdout_write("\n", 1, err);
}
