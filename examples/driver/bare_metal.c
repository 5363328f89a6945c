// SPDX-License-Identifier: Apache-2.0
//
// bare_metal - gpt2_axi from a processor without an operating system and without a C library
//
// The addresses are those of a system that does not exist: replace them by yours. The image lies
// where a boot loader has put it, header first, in memory that the hardware's ports see at the same
// addresses; with one port nothing is copied. Ids go to `put_id`, which a system replaces too.
#include "gpt2hw.h"

#define REGISTERS ((volatile uint32_t *)0x40000000u)
static const uintptr_t image_file = 0x80000000u;
static const uint64_t cache = 0xa0000000u;

// What the compiler and the driver need of string.h.
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memcpy(void *to, const void *from, size_t n) {
  unsigned char *t = to;
  for (const unsigned char *f = from; n > 0; n--) *t++ = *f++;
  return to;
}
void *memset(void *to, int value, size_t n) {
  for (unsigned char *t = to; n > 0; n--) *t++ = (unsigned char)value;
  return to;
}
int memcmp(const void *a, const void *b, size_t n) {
  const unsigned char *x = a, *y = b;
  for (; n > 0; n--, x++, y++)
    if (*x != *y) return *x < *y ? -1 : 1;
  return 0;
}

// Device accesses are strongly ordered where REGISTERS is mapped as a device. A system that has
// caches cleans them here before the start.
static uint32_t read_register(void *ctx, uint32_t offset) {
  (void)ctx;
  return REGISTERS[offset / 4];
}
static void write_register(void *ctx, uint32_t offset, uint32_t value) {
  (void)ctx;
  REGISTERS[offset / 4] = value;
}

static volatile uint32_t last_id;
static int put_id(void *ctx, uint32_t id) {
  (void)ctx;
  last_id = id;
  return 0;
}

// The result for a debugger, or for who called.
int main(void);
int main(void) {
  static struct gpt2hw dev;
  static const uint32_t prompt[] = {464, 995};
  const struct gpt2hw_host host = {.read = read_register, .write = write_register};
  // The header is one page, so the first beat is aligned as the file is.
  const struct gpt2hw_place place = {.image_base = image_file + GPT2HW_HEADER_BYTES,
                                     .kv_base = cache};
  const struct gpt2hw_run run = {.max_new = 20, .top_k = 1, .seed = 1};
  enum gpt2hw_error error = gpt2hw_open(&dev, &host);
  if (!error) error = gpt2hw_reset(&dev);
  if (!error && dev.can.ports > 1) error = GPT2HW_ARGUMENT;  // stripes: see gpt2hw_load
  if (!error) error = gpt2hw_attach(&dev, &place, (const void *)image_file);
  if (!error) error = gpt2hw_generate(&dev, &run, prompt, 2, put_id, NULL);
  return (int)error;
}
