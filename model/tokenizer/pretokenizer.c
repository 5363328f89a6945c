// SPDX-License-Identifier: Apache-2.0
#include "pretokenizer.h"

#include <stdint.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "utf8.h"

struct pretokenizer {
  pcre2_code *code;
};

// \p{White_Space} and \P{White_Space} replace \s and \S. The pattern matches at every character, so
// it is anchored: each match begins where the last one ended.
static const char pattern[] = "'s|'t|'re|'ve|'m|'ll|'d"
                              "| ?\\p{L}+"
                              "| ?\\p{N}+"
                              "| ?[^\\p{White_Space}\\p{L}\\p{N}]+"
                              "|\\p{White_Space}+(?!\\P{White_Space})"
                              "|\\p{White_Space}+";

static int pcre2_failed(const char *what, int code, struct err *err) {
  PCRE2_UCHAR message[256];
  pcre2_get_error_message(code, message, sizeof message);
  return err_set(err, "PCRE2 cannot %s: %s", what, (const char *)message);
}

int pretokenizer_create(struct pretokenizer **pretokenizer, struct err *err) {
  *pretokenizer = NULL;
  struct pretokenizer *p = calloc(1, sizeof *p);
  if (!p) return err_memory(err, "the pretokenizer");
  int code;
  PCRE2_SIZE offset;
  p->code = pcre2_compile((PCRE2_SPTR)pattern, sizeof pattern - 1, PCRE2_UTF | PCRE2_ANCHORED,
                          &code, &offset, NULL);
  if (!p->code) {
    free(p);
    return pcre2_failed("compile GPT-2's pattern (10.40 or later is needed)", code, err);
  }
  pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);  // if this fails, matching is only slower
  *pretokenizer = p;
  return 0;
}

void pretokenizer_free(struct pretokenizer *pretokenizer) {
  if (pretokenizer) {
    pcre2_code_free(pretokenizer->code);
    free(pretokenizer);
  }
}

int pretokenizer_start(struct pretokenizer_walk *walk, const struct pretokenizer *pretokenizer,
                       const unsigned char *text, size_t length, struct err *err) {
  *walk = (struct pretokenizer_walk){.text = text, .length = length};
  walk->match = pcre2_match_data_create_from_pattern(pretokenizer->code, NULL);
  return !walk->match ? err_memory(err, "a match") : 0;
}

int pretokenizer_next(struct pretokenizer_walk *walk, const struct pretokenizer *pretokenizer,
                      struct err *err) {
  walk->begin = walk->end;
  if (walk->begin == walk->length) return 0;
  if (walk->begin == walk->valid_end) {
    walk->valid_end += utf8_valid_prefix(walk->text + walk->begin, walk->length - walk->begin);
    if (walk->begin == walk->valid_end) {
      walk->valid_end = walk->end = walk->begin + 1;
      return 1;
    }
  }
  // The text was checked above; PCRE2's check would scan all of it for every piece. PCRE2's JIT
  // stack is small. The interpreter, which uses the heap, matches what exceeds it.
  uint32_t options = PCRE2_NO_UTF_CHECK;
  int code = pcre2_match(pretokenizer->code, walk->text, walk->valid_end, walk->begin, options,
                         walk->match, NULL);
  if (code == PCRE2_ERROR_JIT_STACKLIMIT) {
    code = pcre2_match(pretokenizer->code, walk->text, walk->valid_end, walk->begin,
                       options | PCRE2_NO_JIT, walk->match, NULL);
  }
  if (code < 0) return pcre2_failed("cut the text", code, err);
  walk->end = pcre2_get_ovector_pointer(walk->match)[1];
  return 1;
}

void pretokenizer_finish(struct pretokenizer_walk *walk) {
  pcre2_match_data_free(walk->match);
  walk->match = NULL;
}
