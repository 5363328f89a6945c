// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "row.h"
#include "staged.h"

// Decoding speed as these works report it for their boards: the share of their memory's peak
// bandwidth, or else their tokens per second times the bytes of the weights, divided by that
// bandwidth.
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
  LEFT = 425,
  WIDTH = 455,
  STEP = 30,
  TOP = 50
};

static double heading(FILE *f, double y, const char *text) {
  fprintf(f, "<text x=\"20\" y=\"%.0f\" font-weight=\"bold\">%s</text>\n", y + 19, text);
  return y + STEP;
}

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

// The row to show for a number of lanes on the default memory (preset NULL) or on a preset: the
// first from 512 positions on, or else the one with the longest context. NULL: there is none.
static const struct row *shown(const struct row *rows, size_t n, uint32_t lanes,
                               const char *preset) {
  const struct row *best = NULL;
  for (size_t i = 0; i < n; i++) {
    const struct row *r = &rows[i];
    if (r->lanes != lanes || *r->parameters || !r->memory != !preset) continue;
    if (preset && strcmp(r->memory, preset) != 0) continue;
    if (!best || (best->context < 512 ? r->context > best->context
                                      : r->context >= 512 && r->context < best->context))
      best = r;
  }
  return best;
}

// The fewest lanes at which the preset, and not the engine, is the bottleneck; NULL if the rows
// have none.
static const struct row *bound_by(const struct row *rows, size_t n,
                                  const struct memory_preset *preset) {
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2)
    if (lanes * SIM_MEMORY_CLOCK * 1e6 > preset->peak * preset->efficiency * 1e9) {
      const struct row *r = shown(rows, n, lanes, preset->name);
      if (r) return r;
    }
  return NULL;
}

int plot_write(const char *path, const struct row *rows, size_t n, struct err *err) {
  char label[96];
  struct staged out;
  const struct row *lanes_rows[7], *dram_rows[8];
  const struct memory_preset *dram[8];
  size_t n_lanes = 0, n_dram = 0;
  for (uint32_t lanes = 64; lanes <= 4096; lanes *= 2)
    if ((lanes_rows[n_lanes] = shown(rows, n, lanes, NULL))) n_lanes++;
  for (const struct memory_preset *p = memory_presets; p->name && n_dram < 8; p++)
    if ((dram_rows[n_dram] = bound_by(rows, n, p))) dram[n_dram++] = p;

  if (staged_open(&out, path, err)) return -1;
  FILE *f = out.file;
  const size_t lines = 3 + PUBLISHED + n_dram + n_lanes;
  const int height = TOP + (int)lines * STEP + 10;
  fprintf(f,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 %d\" "
          "font-family=\"sans-serif\" font-size=\"14\">\n"
          "<!-- SPDX-License-Identifier: Apache-2.0; written by make bench -->\n"
          "<rect width=\"960\" height=\"%d\" fill=\"white\"/>\n"
          "<text x=\"20\" y=\"28\" font-size=\"16\">Decoding one sequence: how much of the "
          "memory&#8217;s speed is used</text>\n",
          height, height);
  double y =
      heading(f, TOP, "Published designs, measured on boards: share of the DRAM&#8217;s peak");
  for (size_t i = 0; i < PUBLISHED; i++) {
    snprintf(label, sizeof label, "%s (%s)", published[i].name, published[i].work);
    y = bar(f, y, label, published[i].low, published[i].high, "#b0b8c4");
  }
  y = heading(f, y, "gpt2rtl, simulated on a model of the DRAM: share of the DRAM&#8217;s peak");
  for (size_t i = 0; i < n_dram; i++) {
    const struct row *r = dram_rows[i];
    snprintf(label, sizeof label, "gpt2rtl, %u lanes, %s, context %u", r->lanes, dram[i]->name,
             r->context);
    const double rate = r->floor * r->lanes * SIM_MEMORY_CLOCK * 1e6 / (double)r->cycles;
    y = bar(f, y, label, 100 * rate / (dram[i]->peak * 1e9), 100 * rate / (dram[i]->peak * 1e9),
            "#7fa8d6");
  }
  y = heading(f, y,
              "gpt2rtl, simulated, the memory gives a beat a cycle: share of the memory floor");
  for (size_t i = 0; i < n_lanes; i++) {
    const struct row *r = lanes_rows[i];
    snprintf(label, sizeof label, "gpt2rtl, %u lanes, context %u", r->lanes, r->context);
    const double share = 100 * r->floor / (double)r->cycles;
    y = bar(f, y, label, share, share, "#2f6fb2");
  }
  fputs("</svg>\n", f);
  return staged_commit(&out, err);
}
