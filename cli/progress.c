// SPDX-License-Identifier: Apache-2.0
#include "progress.h"
#include "clock.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

void progress_start(struct progress *p, const char *what, uint64_t total) {
  *p = (struct progress){.what = what,
                         .total = total,
                         .shown = isatty(STDERR_FILENO) == 1,
                         .begin = clock_now()};
}

void progress_show(struct progress *p, uint64_t done, const char *note) {
  enum { WIDTH = 30 };
  static const char bar[] = "##############################";
  static_assert(sizeof bar == WIDTH + 1, "the bar is as wide as its frame");
  if (!p->shown || !p->total || done > p->total) return;
  const double t = clock_now(), share = (double)done / (double)p->total;
  if (done < p->total && t - p->drawn < 0.1) return;
  p->drawn = t;
  const int filled = (int)(share * WIDTH);
  fprintf(stderr, "\r%s [%.*s%*s] %3.0f %%", p->what, filled, bar, WIDTH - filled, "", 100 * share);
  if (done > p->first)
    fprintf(stderr, ", %.0f s left",
            (t - p->begin) * (double)(p->total - done) / (double)(done - p->first));
  fprintf(stderr, "%s%s\033[K", note ? ", " : "", note ? note : "");
  fflush(stderr);
}

void progress_end(struct progress *p) {
  if (p->shown) fputs("\r\033[K", stderr);
}
