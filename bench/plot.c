// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "row.h"
#include "staged.h"

// What these works report of the time in which their memory could bring the weights once, decoding:
// as a share of its bandwidth, or their tokens a second times the weights' bytes over it.
static const struct published {
  const char *name, *work;
  double low, high;  // %
} published[] = {
    {"Allo", "PLDI 2024, GPT-2 on U280", 16, 16},
    {"DFX", "MICRO 2022, GPT-2 on 4 x U280", 28, 28},
    {"LoopLynx", "DATE 2025, GPT-2 on U50", 34, 34},
    {"Li et al.", "DATE 2025, LLaMA2-7B on KV260", 84, 86},
    {"Hummingbird", "arXiv 2507.03308, LLaMA3-8B on KV260", 93, 94},
};
enum {
  PUBLISHED = sizeof published / sizeof *published,
  LEFT = 410,
  WIDTH = 470,
  STEP = 30,
  TOP = 50
};

static double bar(FILE *f, double y, const char *label, double low, double high,
                  const char *colour) {
  char value[32];
  fprintf(f, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%s</text>\n", LEFT - 10, y + 15, label);
  fprintf(f, "<rect x=\"%d\" y=\"%.0f\" width=\"%.1f\" height=\"20\" fill=\"%s\"/>\n", LEFT, y,
          WIDTH * high / 100, colour);
  if (low < high) snprintf(value, sizeof value, "%.0f to %.0f %%", low, high);
  else snprintf(value, sizeof value, "%.3g %%", high);
  fprintf(f, "<text x=\"%.1f\" y=\"%.0f\">%s</text>\n", LEFT + WIDTH * high / 100 + 6, y + 15,
          value);
  return y + STEP;
}

// The row to show of a number of lanes: 512 positions, or else its longest context.
static const struct row *shown(const struct row *rows, size_t n, uint32_t lanes) {
  const struct row *best = NULL;
  for (size_t i = 0; i < n; i++)
    if (rows[i].lanes == lanes && !rows[i].memory && !*rows[i].parameters &&
        (!best ||
         (best->context != 512 && (rows[i].context > best->context || rows[i].context == 512))))
      best = &rows[i];
  return best;
}

int plot_write(const char *path, const struct row *rows, size_t n, struct err *err) {
  char label[96];
  struct staged out;
  if (staged_open(&out, path, err)) return -1;
  FILE *f = out.file;
  fprintf(f,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 %d\" "
          "font-family=\"sans-serif\" font-size=\"14\">\n"
          "<!-- SPDX-License-Identifier: Apache-2.0; written by make bench -->\n"
          "<rect width=\"960\" height=\"%d\" fill=\"white\"/>\n"
          "<text x=\"20\" y=\"28\" font-size=\"16\">Share of the memory floor, decoding one "
          "sequence</text>\n",
          TOP + 9 * STEP, TOP + 9 * STEP);
  double y = TOP;
  for (size_t i = 0; i < PUBLISHED; i++) {
    snprintf(label, sizeof label, "%s (%s)", published[i].name, published[i].work);
    y = bar(f, y, label, published[i].low, published[i].high, "#b0b8c4");
  }
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2) {
    const struct row *r = shown(rows, n, lanes);
    if (!r) continue;
    snprintf(label, sizeof label, "gpt2rtl, %u lanes, context %u", lanes, r->context);
    const double share = 100 * r->floor / (double)r->cycles;
    y = bar(f, y, label, share, share, "#2f6fb2");
  }
  fputs("</svg>\n", f);
  return staged_commit(&out, err);
}
