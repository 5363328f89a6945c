// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "file.h"
#include "interrupt.h"
#include "sim.h"

// Turns "models/demo.hex" into "models/demo.vh"; .vh is appended to other names.
static int header_path(char path[static FILE_PATH_SIZE], const char *hex, struct err *err) {
  const char *dot = strrchr(hex, '.');
  const size_t n = dot && !strcmp(dot, ".hex") ? (size_t)(dot - hex) : strlen(hex);
  if (n + sizeof ".vh" > FILE_PATH_SIZE) return err_set(err, "%s: path too long", hex);
  memcpy(path, hex, n);
  strcpy(path + n, ".vh");
  return 0;
}

// Writes one beat per line, its highest byte first: byte 0 is bits 7..0 of the word.
static void write_beats(FILE *out, const struct image *image) {
  static const char digits[] = "0123456789abcdef";
  const uint32_t lanes = image->header.lanes;
  char line[2 * 4096 + 1];
  for (uint64_t beat = 0; beat < image->header.n_beats; beat++) {
    const uint8_t *bytes = image->beats + beat * lanes;
    for (uint32_t i = 0; i < lanes; i++) {
      line[2 * (lanes - 1 - i)] = digits[bytes[i] >> 4];
      line[2 * (lanes - 1 - i) + 1] = digits[bytes[i] & 15];
    }
    line[2 * lanes] = '\n';
    fwrite(line, 1, 2 * lanes + 1, out);
  }
}

static void write_header(FILE *out, const struct image_header *h, const char *hex) {
  const bool stops = h->eos_id < h->vocab_size;
  char name[CLI_NAME_SIZE];  // safe: a line end in the name would end the comment
  struct pkg_config c;
  sim_config(&c, h);
  fprintf(out,
          "// Written by gpt2rtl compile --hex beside %s: %" PRIu32 " layers, %" PRIu32
          " heads, context %" PRIu32 ", vocabulary %" PRIu32 ".\n"
          "// Include this file in a module.\n\n",
          cli_name(name, hex), h->n_layer, h->n_head, h->n_ctx, h->vocab_size);
  fprintf(out, "localparam Lanes      = %" PRIu32 ";  // bytes per beat\n", h->lanes);
  fprintf(out,
          "localparam MaxHeads   = %" PRIu32 ";  // the smallest hardware that this model fits\n",
          h->n_head);
  fprintf(out, "localparam MaxCtx     = %" PRIu32 ";\n",
          (h->n_ctx + HEAD_DIM - 1) / HEAD_DIM * HEAD_DIM);
  fprintf(out, "localparam ImageBeats = %" PRIu64 ";  // lines of the .hex\n", h->n_beats);
  fprintf(out, "localparam KvBeats    = %" PRIu64 ";  // of the KV cache, after the image\n",
          (uint64_t)h->n_layer * h->n_head * h->kv_stride);
  fprintf(out, "localparam [0:0]  StopEnable = %d;   // whether the model has an end-of-text id\n",
          stops);
  fprintf(out, "localparam [16:0] StopId     = %" PRIu32 ";\n\n", stops ? h->eos_id : 0);
  fprintf(
      out,
      "// cfg_i: config_t of rtl/base/gpt2_pkg.sv, field by field.\nlocalparam [%d:0] Config = {\n",
      PKG_CONFIG_BITS - 1);
  int left = PKG_CONFIG_BITS;
#define FIELD(name, bits) \
  left -= bits;           \
  fprintf(out, "  %d'd%" PRIu64 "%s  // %s\n", bits, c.name, left ? "," : "", #name);
  PKG_CONFIG_FIELDS(FIELD)
#undef FIELD
  fprintf(out, "};\n");
}

int compile_hex(const char *path, const struct image *image, struct err *err) {
  struct staged hex = {0}, header = {0};
  char beside[FILE_PATH_SIZE];
  if (header_path(beside, path, err) || staged_open(&hex, path, err)) return -1;
  if (staged_open(&header, beside, err)) {
    staged_discard(&hex);
    return -1;
  }
  write_beats(hex.file, image);
  write_header(header.file, &image->header, path);
  interrupt_hold();  // both files are renamed, or neither
  int status = staged_commit(&hex, err);
  if (status) staged_discard(&header);
  else status = staged_commit(&header, err);
  interrupt_release();
  if (interrupt_pending()) interrupt_end();
  return status;
}
