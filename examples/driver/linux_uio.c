// SPDX-License-Identifier: Apache-2.0
//
// linux_uio - gpt2_axi from a Linux program, without its own kernel driver
//
//   linux_uio UIO UDMABUF IMAGE TOKENS ID...
//   linux_uio /dev/uio0 udmabuf0 model.image 20 464 995
//
// The registers are map 0 of a UIO device (generic-uio in the device tree, with the interrupt), the
// memory is a buffer of u-dma-buf: contiguous, with a physical address. Image and cache lie in it,
// one after the other; with several ports stripe after stripe. Ids come out, one a line.
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gpt2hw.h"

enum { WINDOW = 4096, PATIENCE_MS = 10000 };

struct system {
  int uio;
  volatile uint32_t *registers;
  uint64_t physical, bytes;  // of the buffer
  uint8_t *buffer;
  struct gpt2hw *dev;
};

static uint32_t read_register(void *ctx, uint32_t offset) {
  const struct system *s = ctx;
  return s->registers[offset / 4];
}
static void write_register(void *ctx, uint32_t offset, uint32_t value) {
  const struct system *s = ctx;
  s->registers[offset / 4] = value;
}

// Opened with O_SYNC the buffer is not cached: what is written is in memory.
static int write_memory(void *ctx, uint64_t address, const void *bytes, size_t n) {
  const struct system *s = ctx;
  if (address < s->physical || address - s->physical > s->bytes ||
      s->bytes - (address - s->physical) < n)
    return -1;
  memcpy(s->buffer + (address - s->physical), bytes, n);
  return 0;
}

// Sleeps until an event, and only then clears it: one that came before the sleep ends it at once.
static int wait_for_interrupt(void *ctx) {
  const struct system *s = ctx;
  const uint32_t enable = 1;
  uint32_t count;
  struct pollfd fd = {.fd = s->uio, .events = POLLIN};
  if (write(s->uio, &enable, sizeof enable) != sizeof enable) return -1;
  if (poll(&fd, 1, PATIENCE_MS) <= 0) return -1;
  if (read(s->uio, &count, sizeof count) != sizeof count) return -1;
  gpt2hw_interrupt_clear(s->dev, gpt2hw_interrupts(s->dev));
  return 0;
}

static int print_id(void *ctx, uint32_t id) {
  (void)ctx;
  return printf("%" PRIu32 "\n", id) < 0 || fflush(stdout);
}

static int fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  return 1;
}

// A number out of /sys/class/u-dma-buf/NAME/FILE.
static uint64_t attribute(const char *name, const char *file) {
  char path[256];
  uint64_t value = 0;
  snprintf(path, sizeof path, "/sys/class/u-dma-buf/%s/%s", name, file);
  FILE *f = fopen(path, "r");
  if (f && fscanf(f, "%" SCNi64, (int64_t *)&value) != 1) value = 0;
  if (f) fclose(f);
  return value;
}

static int open_system(struct system *s, const char *uio, const char *udmabuf) {
  char path[256];
  s->uio = open(uio, O_RDWR);
  if (s->uio < 0) return fail(uio, "cannot be opened");
  void *registers = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED, s->uio, 0);
  if (registers == MAP_FAILED) return fail(uio, "its registers cannot be mapped");
  s->registers = registers;
  s->physical = attribute(udmabuf, "phys_addr");
  s->bytes = attribute(udmabuf, "size");
  snprintf(path, sizeof path, "/dev/%s", udmabuf);
  const int fd = open(path, O_RDWR | O_SYNC);
  if (fd < 0 || !s->bytes) return fail(udmabuf, "is not a buffer of u-dma-buf");
  void *buffer = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (buffer == MAP_FAILED) return fail(udmabuf, "cannot be mapped");
  s->buffer = buffer;
  return 0;
}

static const void *map_file(const char *path, size_t *n) {
  struct stat st;
  const int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &st) || st.st_size < GPT2HW_HEADER_BYTES) return NULL;
  *n = (size_t)st.st_size;
  void *data = mmap(NULL, *n, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  return data == MAP_FAILED ? NULL : data;
}

static uint64_t pages(uint64_t bytes) { return (bytes + 4095) & ~UINT64_C(4095); }

// The image, stripe after stripe, each with its cache after it.
static enum gpt2hw_error load(struct gpt2hw *dev, const struct system *s, const void *image,
                              size_t n) {
  struct gpt2hw_model model;
  const enum gpt2hw_error error = gpt2hw_parse(dev, image, &model);
  if (error) return error;
  const uint64_t image_bytes = pages(gpt2hw_image_bytes(dev, &model));
  const struct gpt2hw_place place = {.image_base = s->physical,
                                     .kv_base = s->physical + image_bytes,
                                     .stripe_stride =
                                         image_bytes + pages(gpt2hw_kv_bytes(dev, &model))};
  if (place.stripe_stride * dev->can.ports > s->bytes) return GPT2HW_MEMORY;
  return gpt2hw_load(dev, &place, image, n);
}

int main(int argc, char **argv) {
  struct system s = {0};
  struct gpt2hw dev;
  uint32_t ids[1024];
  size_t n_ids = 0, n;
  if (argc < 6 || argc > 5 + 1024) return fail(argv[0], "UIO UDMABUF IMAGE TOKENS ID...");
  for (int i = 5; i < argc; i++) ids[n_ids++] = (uint32_t)strtoul(argv[i], NULL, 10);
  if (open_system(&s, argv[1], argv[2])) return 1;
  const void *image = map_file(argv[3], &n);
  if (!image) return fail(argv[3], "cannot be read, or is shorter than a header");
  s.dev = &dev;
  const struct gpt2hw_host host = {.ctx = &s,
                                   .read = read_register,
                                   .write = write_register,
                                   .memory_write = write_memory,
                                   .idle = wait_for_interrupt};
  enum gpt2hw_error error = gpt2hw_open(&dev, &host);
  if (!error) {
    gpt2hw_interrupt_enable(&dev, GPT2HW_INT_DONE | GPT2HW_INT_PROMPT | GPT2HW_INT_TOKEN);
    error = gpt2hw_reset(&dev);
  }
  if (!error) error = load(&dev, &s, image, n);
  if (error) return fail(argv[3], gpt2hw_error_text(error));
  const struct gpt2hw_run run = {.max_new = (uint32_t)strtoul(argv[4], NULL, 10),
                                 .stop_enabled = dev.model.eos_id != UINT32_MAX,
                                 .stop_id = dev.model.eos_id,
                                 .top_k = 1,
                                 .seed = 1};
  error = gpt2hw_generate(&dev, &run, ids, n_ids, print_id, NULL);
  if (error) return fail("the run", gpt2hw_error_text(error));
  fprintf(stderr, "%" PRIu64 " cycles\n", gpt2hw_cycles(&dev));
  return 0;
}
