// SPDX-License-Identifier: Apache-2.0
// test_stop_text - a text ends before the first stop text, however it is split
#include "model_test.h"

#include "stop_text.h"

// Pushes text in pieces of `size` bytes (0: of random sizes); what is shown must be `expected`, and
// found the stop text or NULL.
static void check(const char *const *stops, const char *text, size_t size, const char *expected,
                  const char *found) {
  static uint64_t random = 77;
  struct stop_text s = {.texts = stops};
  struct err err;
  char shown[256] = "";
  size_t n = 0;
  for (size_t at = 0; at < strlen(text) && !s.found;) {
    size_t piece = size ? size : random_below(&random, 4), ready;
    if (piece > strlen(text) - at) piece = strlen(text) - at;
    expect_success(stop_text_push(&s, text + at, piece, &ready, &err), &err);
    at += piece;
    if (ready) memcpy(shown + n, s.held, ready);
    n += ready;
    stop_text_drop(&s, ready);
    // The bytes held back could still begin a stop text; the bytes shown contain none.
    if (!s.found) {
      shown[n] = 0;
      for (const char *const *stop = stops; *stop; stop++) {
        assert_null(strstr(shown, *stop));
        assert_true(s.n_held < 64);
      }
    }
  }
  if (s.n_held) memcpy(shown + n, s.held, s.n_held);
  shown[n + s.n_held] = 0;
  if (s.found) assert_int_equal(s.n_held, 0);
  assert_string_equal(shown, expected);
  if (found) assert_string_equal(s.found, found);
  else assert_null(s.found);
  stop_text_free(&s);
}

static void cases(void **state) {
  (void)state;
#define STOPS(...) \
  { __VA_ARGS__, NULL }
  static const struct {
    const char *stops[5], *text, *expected, *found;
  } all[] = {
      {STOPS("."), "One. Two.", "One", "."},
      {STOPS("\n\n"), "a\nb\n\nc", "a\nb", "\n\n"},
      {STOPS("zz"), "abc", "abc", NULL},
      {STOPS("abc"), "ab", "ab", NULL},  // begun, but not completed
      {STOPS("abc"), "ababababc", "ababab", "abc"},
      {STOPS("aab"), "aaaab", "aa", "aab"},    // overlaps itself
      {STOPS("aby", "b"), "xaby", "xa", "b"},  // complete first
      {STOPS("b", "ab"), "xab", "x", "ab"},    // the longer of two that end together
      {STOPS("ab", "abc"), "xabc", "x", "ab"},
      {STOPS("\xE2\x82\xAC"), "5\xE2\x82\xAC", "5", "\xE2\x82\xAC"},
      {STOPS("User:", "Assistant:"), "Hi User Assistant Assistant:", "Hi User Assistant ",
       "Assistant:"},
      {STOPS("a"), "a", "", "a"},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    for (size_t size = 1; size <= 12; size++)
      check(all[i].stops, all[i].text, size, all[i].expected, all[i].found);
    for (int round = 0; round < 50; round++)
      check(all[i].stops, all[i].text, 0, all[i].expected, all[i].found);
  }
}

// Against the definition, over two letters.
static void random_texts(void **state) {
  (void)state;
  uint64_t random = 5;
  for (size_t round = 0; round < 5000; round++) {
    char text[24] = "", stops[2][5] = {"", ""}, expected[24];
    const char *list[] = {stops[0], stops[1], NULL}, *found = NULL;
    for (size_t i = 0, n = random_below(&random, 20); i < n; i++)
      text[i] = "ab"[random_below(&random, 2)];
    for (size_t k = 0; k < 2; k++)
      for (size_t i = 0, n = 1 + random_below(&random, 4); i < n; i++)
        stops[k][i] = "ab"[random_below(&random, 2)];
    strcpy(expected, text);
    for (size_t end = 1; end <= strlen(text) && !found; end++) {
      for (size_t k = 0; k < 2; k++) {
        const size_t length = strlen(stops[k]);
        if (length > end || memcmp(text + end - length, stops[k], length) ||
            (found && strlen(found) >= length))
          continue;
        found = stops[k];
        expected[end - length] = 0;
      }
    }
    check(list, text, round % 3, expected, found);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(cases), cmocka_unit_test(random_texts)};
  return cmocka_run_group_tests_name("stop_text", tests, NULL, NULL);
}
