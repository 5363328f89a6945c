// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cli.h"
#include "model_image.h"
#include "printable.h"
#include "utf8.h"

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

cJSON *text_json(const char *text, size_t length) {
  char *valid = malloc(3 * length + 1);
  size_t to = 0;
  for (size_t i = 0; valid && i < length;) {
    const int n = text[i] ? utf8_character((const unsigned char *)text + i, length - i) : 0;
    if (n > 0) memcpy(valid + to, text + i, (size_t)n);
    to += n > 0 ? (size_t)n : utf8_write((unsigned char *)valid + to, 0xfffd);
    i += n > 0 ? (size_t)n : 1;
  }
  if (valid) valid[to] = 0;
  cJSON *json = cJSON_CreateString(valid ? valid : "");
  free(valid);
  return json;
}

void json_add_name(cJSON *object, const char *key, const char *text) {
  cJSON_AddItemToObject(object, key, text_json(text, strlen(text)));
}

void json_print(FILE *f, const char *text) {
  const size_t length = strlen(text);
  for (size_t i = 0; i < length;) {
    const unsigned char *c = (const unsigned char *)text + i;
    const int n = utf8_character(c, length - i);
    if (n > 1 && !printable_character(c, n)) {
      fprintf(f, "\\u%04x",
              n == 2 ? (c[0] & 0x1fu) << 6 | (c[1] & 0x3fu)
                     : (c[0] & 0xfu) << 12 | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu));
    } else if (n == 1 && *c == 0x7f) {
      fputs("\\u007f", f);
    } else {
      fwrite(c, 1, n > 0 ? (size_t)n : 1, f);
    }
    i += n > 0 ? (size_t)n : 1;
  }
}

int stdout_json(cJSON *json, struct err *err) {
  char *text = cJSON_Print(json);
  cJSON_Delete(json);
  if (!text) return err_memory(err, "JSON");
  json_print(stdout, text);
  free(text);
  return stdout_write("\n", 1, err);
}

static void say(void *ctx, const char *sentence) {
  (void)ctx;
  cli_say("%s", sentence);
}

const struct model_note cli_note = {.say = say};

int model_image(struct image *image, const char *dir, uint32_t lanes, struct err *err) {
  return model_image_open(image, dir, lanes, &cli_note, err);
}
