// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cli.h"
#include "file.h"

int output_open(struct output *output, const char *path, struct err *err) {
  struct stat st;
  memset(output, 0, sizeof *output);
  output->path = path;
  const bool exists = !stat(path, &st);
  if (exists && S_ISDIR(st.st_mode)) return err_set(err, "%s: cannot be written: it is a folder", path);
  if (!(exists && !S_ISREG(st.st_mode)) && file_staging_name(output->staging, path, err)) return -1;
  output->file = fopen(output->staging[0] ? output->staging : path, "wb");
  if (!output->file) return err_set(err, "%s: cannot be written: %s", path, strerror(errno));
  return 0;
}

int output_close(struct output *output, struct err *err) {
  const bool written = !ferror(output->file) && !fflush(output->file);
  const int why = errno;
  if (fclose(output->file) || !written) {
    output->file = NULL;
    if (output->staging[0]) unlink(output->staging);
    return err_set(err, "%s: cannot be written: %s", output->path, strerror(written ? errno : why));
  }
  output->file = NULL;
  if (output->staging[0] && rename(output->staging, output->path)) {
    const int error = errno;
    unlink(output->staging);
    return err_set(err, "%s: cannot be written: %s", output->path, strerror(error));
  }
  return 0;
}

void output_discard(struct output *output) {
  if (!output->file) return;
  fclose(output->file);
  output->file = NULL;
  if (output->staging[0]) unlink(output->staging);
}

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
