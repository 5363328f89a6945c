// SPDX-License-Identifier: Apache-2.0
// test_bpe - merging against the rule written naively, with random tables of merges
#include "model_test.h"

#include "bpe.h"

// GPT-2's rule, literally: find the pair of lowest rank, merge all its occurrences, repeat.
static size_t merge_naively(const struct bpe *bpe, uint32_t *ids, size_t count) {
  for (;;) {
    size_t best = bpe->count;
    for (size_t i = 0; i + 1 < count; i++) {
      for (size_t rank = 0; rank < best; rank++)
        if (bpe->merges[rank].left == ids[i] && bpe->merges[rank].right == ids[i + 1]) best = rank;
    }
    if (best == bpe->count) return count;
    size_t kept = 0;
    for (size_t i = 0; i < count; kept++) {
      bool pair = i + 1 < count && ids[i] == bpe->merges[best].left &&
                  ids[i + 1] == bpe->merges[best].right;
      ids[kept] = pair ? bpe->merges[best].result : ids[i];
      i += pair ? 2 : 1;
    }
    count = kept;
  }
}

// Tables in any order: a merge may precede the merges that make its parts, which no trained table
// has, and its result may already be another merge's.
static void test_against_naive(void **state) {
  (void)state;
  uint64_t random = 77;
  struct bpe_scratch scratch = {0};
  struct err err;
  for (int round = 0; round < 3000; round++) {
    struct bpe bpe;
    uint32_t alphabet = 2 + (uint32_t)random_below(&random, 3);
    uint32_t tokens = alphabet + 1 + (uint32_t)random_below(&random, 12);
    expect_success(bpe_create(&bpe, 12, &err), &err);
    for (int k = 0; k < 12; k++) {
      struct bpe_merge merge;
      // Results are longer than both parts, as joined strings are, so merging ends.
      merge.result = alphabet + (uint32_t)random_below(&random, tokens - alphabet);
      merge.left = (uint32_t)random_below(&random, merge.result);
      merge.right = (uint32_t)random_below(&random, merge.result);
      (void)bpe_add(&bpe, merge);
    }
    uint32_t ids[60];
    uint32_t expected[60];
    size_t count = random_below(&random, 61);
    for (size_t i = 0; i < count; i++)
      ids[i] = expected[i] = (uint32_t)random_below(&random, alphabet);
    size_t merged;
    expect_success(bpe_merge_all(&bpe, &scratch, ids, count, &merged, &err), &err);
    assert_int_equal(merged, merge_naively(&bpe, expected, count));
    assert_memory_equal(ids, expected, merged * sizeof ids[0]);
    bpe_free(&bpe);
  }
  bpe_scratch_free(&scratch);
}

static void test_table(void **state) {
  (void)state;
  struct bpe bpe;
  struct err err;
  expect_success(bpe_create(&bpe, 2, &err), &err);
  assert_int_equal(bpe_add(&bpe, (struct bpe_merge){1, 2, 3}), 0);
  assert_int_equal(bpe_add(&bpe, (struct bpe_merge){1, 2, 4}), -1);
  assert_int_equal(bpe_add(&bpe, (struct bpe_merge){2, 1, 4}), 0);
  assert_int_equal(bpe_add(&bpe, (struct bpe_merge){3, 3, 5}), -1);
  assert_int_equal(bpe.count, 2);
  bpe_free(&bpe);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_against_naive),
      cmocka_unit_test(test_table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
