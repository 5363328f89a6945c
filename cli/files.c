// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cli.h"

int input_read(char **text, size_t *length, struct err *err) {
  size_t room = 1 << 16;
  *length = 0;
  *text = malloc(room);
  while (*text) {
    const size_t n = fread(*text + *length, 1, room - *length - 1, stdin);
    *length += n;
    (*text)[*length] = 0;
    if (n == 0) break;
    if (room - *length > 1) continue;
    char *more = realloc(*text, room *= 2);
    if (!more) free(*text);
    *text = more;
  }
  if (!*text) return err_memory(err, "standard input");
  if (!ferror(stdin)) return 0;
  free(*text);
  *text = NULL;
  return err_set(err, "standard input: cannot be read: %s", strerror(errno));
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
