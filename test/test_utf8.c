// SPDX-License-Identifier: Apache-2.0
// test_utf8 - every code point, every invalid beginning, and the 256 characters of GPT-2's files
#include "model_test.h"

#include "byte_alphabet.h"
#include "utf8.h"

static size_t encode(unsigned char text[4], unsigned code_point) {
  if (code_point < 0x10000) return utf8_write(text, code_point);
  text[0] = (unsigned char)(0xF0 | code_point >> 18);
  text[1] = (unsigned char)(0x80 | (code_point >> 12 & 0x3F));
  text[2] = (unsigned char)(0x80 | (code_point >> 6 & 0x3F));
  text[3] = (unsigned char)(0x80 | (code_point & 0x3F));
  return 4;
}

static void test_every_code_point(void **state) {
  (void)state;
  for (unsigned u = 0; u < 0x120000; u++) {
    unsigned char text[4];
    size_t length = encode(text, u);
    bool valid = u < 0x110000 && (u < 0xD800 || u > 0xDFFF);
    int expected = valid ? (int)length : UTF8_INVALID;
    if (utf8_character(text, length) != expected) fail_msg("U+%04X", u);
    for (size_t cut = 1; valid && cut < length; cut++)
      assert_int_equal(utf8_character(text, cut), UTF8_INCOMPLETE);
  }
}

static void test_invalid(void **state) {
  (void)state;
  static const char *const invalid[] = {
      "\x80",
      "\xBF",
      "\xC0\x80",
      "\xC1\xBF",
      "\xE0\x80\x80",
      "\xE0\x9F\xBF",
      "\xF0\x8F\xBF\xBF",
      "\xF4\x90\x80\x80",
      "\xF5\x80\x80\x80",
      "\xFF",
      "\xC3(",
      "\xE2\x82(",
      "\xED\xA0",
  };
  for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
    const unsigned char *text = (const unsigned char *)invalid[i];
    assert_int_equal(utf8_character(text, strlen(invalid[i])), UTF8_INVALID);
  }
  assert_int_equal(utf8_valid_prefix((const unsigned char *)"a\xC3\xBC\xE2\x82", 5), 3);
  assert_int_equal(utf8_valid_prefix((const unsigned char *)"\xFF", 1), 0);
}

static void test_alphabet(void **state) {
  (void)state;
  assert_int_equal(byte_alphabet_encode(' '), 0x120);
  assert_int_equal(byte_alphabet_encode('\n'), 0x10A);
  assert_int_equal(byte_alphabet_encode(0), 0x100);
  assert_int_equal(byte_alphabet_encode(0xAD), 0x143);
  assert_int_equal(byte_alphabet_encode('A'), 'A');
  assert_int_equal(byte_alphabet_order(0), '!');
  assert_int_equal(byte_alphabet_order(187), 0xFF);
  assert_int_equal(byte_alphabet_order(188), 0);
  assert_int_equal(byte_alphabet_order(255), 0xAD);
  unsigned char all[256];
  unsigned char text[512];
  unsigned char back[512];
  for (unsigned byte = 0; byte < 256; byte++) all[byte] = (unsigned char)byte;
  size_t length = byte_alphabet_write(text, all, 256);
  assert_int_equal(byte_alphabet_decode(back, text, length), 256);
  assert_memory_equal(back, all, 256);
  static const char *const foreign[] = {" ",    "\n",    "\xC5\x84", "\xE2\x82\xAC", "\xC2\xAD",
                                        "\xC4", "\xC2(", "\x7F",     "\xC2\x80"};
  for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
    const unsigned char *bad = (const unsigned char *)foreign[i];
    assert_int_equal(byte_alphabet_decode(back, bad, strlen(foreign[i])), -1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_code_point),
      cmocka_unit_test(test_invalid),
      cmocka_unit_test(test_alphabet),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
