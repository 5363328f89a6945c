// SPDX-License-Identifier: Apache-2.0
#include "safetensors_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// The header of specs as text, padded so that the data begins at a multiple of 8 bytes.
static char *format_header(const struct safetensors_spec *specs, size_t count, size_t *length,
                           uint64_t *data) {
  char *text = NULL;
  FILE *stream = open_memstream(&text, length);
  if (!stream) return NULL;
  uint64_t offset = 0;
  fputs("{\"__metadata__\":{\"format\":\"pt\"}", stream);
  for (size_t i = 0; i < count; i++) {
    const struct safetensors_spec *spec = &specs[i];
    const struct safetensors_dtype_info *dtype = safetensors_dtype_info(spec->dtype);
    uint64_t bytes = dtype->bytes;
    fprintf(stream, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", spec->name, dtype->name);
    for (size_t d = 0; d < spec->rank; d++) {
      fprintf(stream, "%s%zu", d == 0 ? "" : ",", spec->shape[d]);
      bytes *= spec->shape[d];
    }
    fprintf(stream, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)offset,
            (unsigned long long)(offset + bytes));
    offset += bytes;
  }
  fputc('}', stream);
  for (long size = ftell(stream); size % 8 != 0; size++) fputc(' ', stream);
  *data = offset;
  if (fclose(stream) != 0) {
    free(text);
    return NULL;
  }
  return text;
}

int safetensors_writer_open(struct safetensors_writer *writer, const char *path,
                            const struct safetensors_spec *specs, size_t count, struct err *err) {
  *writer = (struct safetensors_writer){0};
  size_t length = 0;
  uint64_t data = 0;
  char *header = format_header(specs, count, &length, &data);
  if (!header) return err_memory(err, "the header");
  int result = staged_open(&writer->out, path, err);
  if (result == 0) {
    uint64_t size = length;
    writer->missing = sizeof size + length + data;
    if (safetensors_writer_append(writer, &size, sizeof size, err) != 0 ||
        safetensors_writer_append(writer, header, length, err) != 0) {
      safetensors_writer_abort(writer);
      result = -1;
    }
  }
  free(header);
  return result;
}

int safetensors_writer_append(struct safetensors_writer *writer, const void *data, size_t bytes,
                              struct err *err) {
  if (bytes > writer->missing) {
    return err_set(err, "%s: %zu bytes to append, but the tensors hold only %llu more",
                   writer->out.name, bytes, (unsigned long long)writer->missing);
  }
  if (fwrite(data, 1, bytes, writer->out.file) != bytes)
    return err_set(err, "%s: cannot be written: %s", writer->out.name, strerror(errno));
  writer->missing -= bytes;
  return 0;
}

int safetensors_writer_finish(struct safetensors_writer *writer, struct err *err) {
  if (writer->missing != 0) {
    safetensors_writer_abort(writer);
    return err_set(err, "%s: %llu bytes of its tensors were not written", writer->out.name,
                   (unsigned long long)writer->missing);
  }
  return staged_commit(&writer->out, err);
}

void safetensors_writer_abort(struct safetensors_writer *writer) { staged_discard(&writer->out); }

uint16_t safetensors_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t odd = bits >> 16 & 1;
  return (uint16_t)((bits + 0x7FFFu + odd) >> 16);
}
