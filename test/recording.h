// SPDX-License-Identifier: Apache-2.0
//
// recording - everything that a run reports (controller.h), recorded from one engine and compared
// with another as it runs
#ifndef GPT2RTL_RECORDING_H
#define GPT2RTL_RECORDING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controller.h"
#include "sim.h"

struct recording {
  uint32_t n_embd, n_vocab;
  uint32_t *words;  // events, one after the other
  size_t n, room;
  size_t positions, tokens;  // how many of these events
  bool comparing;            // incoming events are compared with those from `at` on
  size_t at;
};

// Records the golden model's run. Release with recording_free. Any failure fails the test.
void recording_golden(struct recording *recording, const struct image *image,
                      const struct controller_run *run);
void recording_free(struct recording *recording);

// Runs the hardware on image and compares everything it reports with the recording: ids, choices,
// the hidden state after the embedding and each layer, and logits if run has all_heads. Fails the
// test at the first difference and says where it is. *result may be NULL.
void recording_expect_rtl(struct recording *recording, const struct image *image,
                          const struct controller_run *run, const struct sim_memory *memory,
                          enum sim_build build, struct sim_result *result);

// The same for n runs with equal settings, together: each must report what is in its recording.
void recording_expect_rtl_many(struct recording *recordings, const struct image *image,
                               const struct controller_run *runs, size_t n,
                               const struct sim_memory *memory, enum sim_build build,
                               struct sim_result *result);

// Whether two recordings differ.
bool recording_differs(const struct recording *a, const struct recording *b);

// The chosen ids, to be freed; their number is recording->tokens.
uint32_t *recording_tokens(const struct recording *recording);

// ------------------------------------------------------------------------------------------ models

// The image of a random model (kept in build/models) or of a model folder, for lanes. Release with
// image_close.
void open_random(struct image *image, const char *config, uint64_t seed, uint32_t lanes);
void open_outliers(struct image *image, const char *config, uint64_t seed, uint32_t lanes);
void open_model(struct image *image, const char *dir, uint32_t lanes);
// The shipped model, or the stand-in while there is none; NULL if that is missing too.
const char *demo_model(void);

#endif
