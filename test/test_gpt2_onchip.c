// SPDX-License-Identifier: Apache-2.0
//
// gpt2_onchip: nano from on-chip ROM chooses what the golden model chooses, through a context crop
#include <stdio.h>
#include <string.h>

#include "block.h"
#include "recording.h"

enum { NEW = 70, PROMPT = 5, ROM_BEATS = 7209, RAM_BEATS = 528 };

static void write_rom(const struct image *image) {
  FILE *f = fopen("build/test/gpt2_onchip.hex", "w");
  assert_non_null(f);
  for (uint64_t beat = 0; beat < image->header.n_beats; beat++) {
    const uint8_t *bytes = image->beats + beat * image->header.lanes;
    for (uint32_t i = image->header.lanes; i-- > 0;) fprintf(f, "%02x", bytes[i]);
    fputc('\n', f);
  }
  assert_int_equal(fclose(f), 0);
}

static void configure(struct block *b, const struct image_header *h, const struct sampling *s) {
  uint32_t words[16];
  struct pkg_config config;
  sim_config(&config, h);
  pkg_config_pack(words, &config);
  block_set(b, "cfg_i", words);
  pkg_sampling_pack(words,
                    &(struct pkg_sampling){.top_k = s->top_k, .inv_t = s->inv_t, .seed = s->state});
  block_set(b, "sampling_i", words);
}

struct id {
  uint32_t id, last;
};
static const struct block_field prompt_fields[] = {
    BLOCK_FIELD(struct id, id, "prompt_id_i"),
    BLOCK_FIELD(struct id, last, "prompt_last_i"),
};
static const struct block_field token_fields[] = {BLOCK_FIELD(struct id, id, "tok_id_o")};

static void nano(void **state) {
  (void)state;
  static const uint32_t ids[PROMPT] = {3, 300, 1, 77, 77};
  struct image image;
  struct recording recording;
  struct id prompt[PROMPT], want[NEW] = {{0}}, got[NEW];
  open_random(&image, "nano", 1, 64);
  assert_int_equal(image.header.n_beats, ROM_BEATS);
  assert_int_equal(image.header.n_layer * image.header.n_head * image.header.kv_stride, RAM_BEATS);
  write_rom(&image);

  const struct controller_run run = {.prompt = ids,
                                     .n_prompt = PROMPT,
                                     .max_new = NEW,
                                     .sampling = {.top_k = 40,
                                                  .inv_t = sampling_inv_t(1),
                                                  .state = sampling_seed(4)}};
  recording_golden(&recording, &image, &run);
  uint32_t *tokens = recording_tokens(&recording);
  for (int i = 0; i < NEW; i++) want[i].id = tokens[i];
  for (uint32_t i = 0; i < PROMPT; i++) prompt[i] = (struct id){ids[i], i == PROMPT - 1};

  struct block *b = block_open("gpt2_onchip", 0);
  for (enum block_stall stall = BLOCK_PLAIN; stall < BLOCK_STALLS; stall += BLOCK_BOTH) {
    block_reset(b);
    block_stalls(b, stall, 1);
    configure(b, &image.header, &run.sampling);
    block_set_u64(b, "max_new_i", NEW);
    block_set_u64(b, "start_i", 1);
    while (block_get_u64(b, "busy_o")) block_clock(b);  // after the reset; then it is taken
    block_clock(b);
    block_set_u64(b, "start_i", 0);
    block_source(b, "prompt_valid_i", "prompt_ready_o", prompt_fields, 2, prompt, sizeof *prompt,
                 PROMPT);
    struct block_stream *out =
        block_sink(b, "tok_valid_o", "tok_ready_i", token_fields, 1, got, sizeof *got, NEW);
    memset(got, 0, sizeof got);
    block_run(b, 1000000, 100);
    block_expect(out, want, NEW);
    assert_int_equal(block_get_u64(b, "busy_o"), 0);
    assert_int_equal(block_get_u64(b, "error_o"), 0);
  }
  block_close(b);
  free(tokens);
  recording_free(&recording);
  image_close(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nano)};
  return cmocka_run_group_tests_name("gpt2_onchip", tests, NULL, NULL);
}
