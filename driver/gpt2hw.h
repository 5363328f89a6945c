// SPDX-License-Identifier: Apache-2.0
//
// gpt2hw - the driver of gpt2_axi: GPT-2 in hardware, controlled by registers
//
// The driver is freestanding C11. It needs stdint.h, stddef.h, stdbool.h and, from a library, only
// memcpy. It allocates nothing, and keeps its state in the caller's struct gpt2hw. It waits only in
// functions that say so, and then calls the host's idle function in each iteration. It does not
// lock: the caller must make one call at a time on a device.
//
// The host gives access to the registers and to the memory (struct gpt2hw_host). A run is then:
//
//   struct gpt2hw dev;
//   gpt2hw_open(&dev, &host);                           finds the hardware and its limits
//   gpt2hw_load(&dev, &place, image, image_bytes);      once per model; also in pieces
//   gpt2hw_generate(&dev, &run, prompt, n, on_token, ctx);
//
// or gpt2hw_generate_many, for several prompts at a time; or, without waiting, gpt2hw_start,
// gpt2hw_feed, gpt2hw_take and gpt2hw_poll in a loop or in an interrupt handler. Registers:
// docs/registers.md. Rules of a run: docs/life_cycle.md. The image's file: docs/memory_image.md.
#ifndef GPT2HW_H
#define GPT2HW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GPT2HW_HEADER_BYTES = 4096 };  // of an image's file, before its first beat

// Errors. Those below 32 are the hardware's, with its codes (STATUS.error).
enum gpt2hw_error {
  GPT2HW_OK = 0,
  GPT2HW_ABORTED = 1,
  GPT2HW_PROMPT_LONG = 2,
  GPT2HW_PROMPT_ID = 3,
  GPT2HW_LAYERS = 4,
  GPT2HW_HEADS = 5,
  GPT2HW_CONTEXT = 6,
  GPT2HW_VOCAB = 7,
  GPT2HW_NORM = 8,
  GPT2HW_TOP_K = 9,
  GPT2HW_SEED = 10,
  GPT2HW_READ = 11,
  GPT2HW_WRITE = 12,
  GPT2HW_TIMEOUT = 13,

  GPT2HW_NOT_FOUND = 32,  // no gpt2_axi at these registers
  GPT2HW_OTHER_VERSION,   // its registers have another major version
  GPT2HW_BUSY,            // a run is in progress
  GPT2HW_NOT_LOADED,      // no image has been loaded
  GPT2HW_NO_IMAGE,        // the header is not an image's
  GPT2HW_IMAGE_VERSION,   // the hardware reads another version of the image
  GPT2HW_IMAGE_LANES,     // the image is for another number of lanes
  GPT2HW_IMAGE_STRIPES,   // it is in stripes, for another number of ports or for gpt2hw_attach
  GPT2HW_IMAGE_HEADS,     // the model has more heads than the hardware has room for
  GPT2HW_IMAGE_CONTEXT,   // its context is longer
  GPT2HW_IMAGE_FIELD,     // a field of the header does not follow from the shape: the header is
                          // damaged
  GPT2HW_IMAGE_SIZE,      // fewer or more bytes than the header states
  GPT2HW_CHECKSUM,        // the bytes differ from the compiled ones
  GPT2HW_ALIGNMENT,       // a base or the stride is not a multiple of 4096
  GPT2HW_OVERLAP,         // image and cache, or two stripes, overlap
  GPT2HW_MEMORY,          // the host's memory_write failed
  GPT2HW_ARGUMENT,        // an argument outside its range
  GPT2HW_OVERFLOW,        // ids were written to a full FIFO: other software writes them too
  GPT2HW_IDLE,            // the host's idle function ended the wait
  GPT2HW_NOT_BEGUN        // no load is in progress: gpt2hw_load_begin failed, or was not called
};

// A sentence about an error: what is wrong, and what to do. Never NULL.
const char *gpt2hw_error_text(enum gpt2hw_error error);

// How the driver reaches the hardware. ctx is passed to each function.
struct gpt2hw_host {
  void *ctx;
  // Access a 32-bit register at a byte offset from the window's start. When `write` returns, the
  // write must have been answered, or be ordered before the next access.
  uint32_t (*read)(void *ctx, uint32_t offset);
  void (*write)(void *ctx, uint32_t offset, uint32_t value);
  // Copies n bytes to `address`, as the hardware's ports see it. The bytes must be in memory, not
  // in a cache, before the next start. Returns 0, or another value on failure. May be NULL if
  // images reach the memory by other means (gpt2hw_attach).
  int (*memory_write)(void *ctx, uint64_t address, const void *bytes, size_t n);
  // Called while a function waits, whenever it finds nothing to do. It may yield, sleep until an
  // interrupt, or give up: a value other than 0 ends the wait. If it is NULL, the driver polls
  // without end.
  int (*idle)(void *ctx);
};

// The hardware's properties, read by gpt2hw_open.
struct gpt2hw_capabilities {
  uint32_t major, minor, patch;     // version of the registers
  uint32_t lanes;                   // bytes in a beat; an image must be compiled for as many
  uint32_t norm_width, exp_width;   // docs/parameters.md
  uint32_t positions, engines;      // the same; 1 if the hardware does not say
  uint32_t prompts;                 // of a run, at most; up to `positions` are under way at a time
  uint32_t max_heads, max_context;  // the largest model
  uint32_t max_top_k;
  uint32_t ports, port_bits;  // of the memory: how many, and their width
  uint32_t image_version;
  uint32_t fifo_depth;  // ids
  bool logits_stream;
  uint32_t watchdog;  // cycles; 0: none
};

// The checked header of an image.
struct gpt2hw_model {
  uint32_t lanes, version;
  uint32_t n_layer, n_head, n_embd, n_ctx, n_vocab;
  uint32_t eos_id;  // UINT32_MAX: the model has none
  uint64_t checksum, n_beats;
  uint32_t inv_width;
  uint32_t stripes;  // 0: the file is not in stripes
  uint64_t eps_term;
  uint32_t wpe_beat, wte_beat, stream_beat, head_beat;
  uint32_t kv_stride, kv_v_off;
};

// Where an image and its cache lie in memory. All fields are multiples of 4096. With several ports,
// image and cache are divided into a stripe per port, and each port's stripe begins `stripe_stride`
// bytes after the previous one. With one port the field is ignored.
struct gpt2hw_place {
  uint64_t image_base;  // of the first beat; the header is not in memory
  uint64_t kv_base;
  uint64_t stripe_stride;
};

// The state of an XXH64.
struct gpt2hw_xxh64 {
  uint64_t lane[4], n;
  uint8_t rest[32];
};

// A device. The caller owns it and reads only `can` and `model`.
struct gpt2hw {
  struct gpt2hw_capabilities can;
  struct gpt2hw_model model;  // of the last image; valid if loaded is set

  struct gpt2hw_host host;
  struct gpt2hw_place place;
  bool loaded, loading;  // loading: between gpt2hw_load_begin and gpt2hw_load_end
  uint64_t came;         // bytes of beats so far, while an image is loaded
  struct gpt2hw_xxh64 sum;
};

// ---- the device -----------------------------------------------------------------------------

// Finds the hardware and reads its properties. It does not disturb a run in progress. Errors:
// NOT_FOUND, OTHER_VERSION.
enum gpt2hw_error gpt2hw_open(struct gpt2hw *dev, const struct gpt2hw_host *host);

// Resets the hardware: ends a run in progress, and waits until the memory has answered all
// outstanding requests. Settings and the image are kept. Errors: IDLE.
enum gpt2hw_error gpt2hw_reset(struct gpt2hw *dev);

// ---- the image ------------------------------------------------------------------------------

// Reads a header of GPT2HW_HEADER_BYTES and checks every field that the hardware uses: magic,
// version, lanes, maxima, and the layout that the shape gives. Changes only *model.
// Errors: NO_IMAGE, IMAGE_*.
enum gpt2hw_error gpt2hw_parse(const struct gpt2hw *dev, const void *header,
                               struct gpt2hw_model *model);

// The bytes that an image and its cache take in each port's stripe (with one port, in total). If
// the hardware runs several prompts at a time, the cache has a part for each.
uint64_t gpt2hw_image_bytes(const struct gpt2hw *dev, const struct gpt2hw_model *model);
uint64_t gpt2hw_kv_bytes(const struct gpt2hw *dev, const struct gpt2hw_model *model);

// Loads a whole image, n bytes as `gpt2rtl compile` wrote them, and configures the device for it.
// With several ports it divides the image into stripes. After an error no image is loaded.
// Errors: BUSY, gpt2hw_parse's, ALIGNMENT, OVERLAP, MEMORY, IMAGE_SIZE, CHECKSUM.
enum gpt2hw_error gpt2hw_load(struct gpt2hw *dev, const struct gpt2hw_place *place,
                              const void *image, size_t n);

// Load an image in pieces, if it does not fit the host's memory: first the header, then the bytes
// after it, in order, in pieces of any size, then the end, which checks the checksum. Each function
// returns those of gpt2hw_load's errors that concern it. IMAGE_SIZE leaves the load as it was: too
// many bytes are refused, and after an early end more can follow. Any other error ends the load,
// and bytes or an end without a begin give NOT_BEGUN.
enum gpt2hw_error gpt2hw_load_begin(struct gpt2hw *dev, const struct gpt2hw_place *place,
                                    const void *header);
enum gpt2hw_error gpt2hw_load_bytes(struct gpt2hw *dev, const void *bytes, size_t n);
enum gpt2hw_error gpt2hw_load_end(struct gpt2hw *dev);

// Configures the device for an image that is already in memory, written by a boot loader or by DMA.
// With several ports it must be in stripes: `gpt2rtl compile --stripes` writes a file with one
// stripe after another. The beats are not checked. Errors: BUSY, gpt2hw_parse's, ALIGNMENT,
// OVERLAP.
enum gpt2hw_error gpt2hw_attach(struct gpt2hw *dev, const struct gpt2hw_place *place,
                                const void *header);

// ---- a run ----------------------------------------------------------------------------------

struct gpt2hw_run {
  uint32_t max_new;  // ids to generate for each prompt; 0 computes only the prompts
  bool stop_enabled;
  uint32_t stop_id;                  // a prompt's text ends when it is chosen
  uint32_t top_k;                    // 1 takes the most likely; 2 to can.max_top_k draw
  uint32_t inv_t;                    // gpt2hw_inv_t; ignored with top_k 1
  uint64_t seed;                     // gpt2hw_seed: not 0
  bool all_heads;                    // logits of every position go to their stream
  bool prompt_stream, token_stream;  // ids go by AXI4-Stream instead of feed and take
  uint32_t more_prompts;             // after the first, below can.prompts
};

// The random generator's state for a user's seed, as in `gpt2rtl generate --seed`. Never 0.
uint64_t gpt2hw_seed(uint64_t seed);
// 2^16 log2(e) / temperature, rounded. The temperature is in thousandths, 10 to 100000.
uint32_t gpt2hw_inv_t(uint32_t thousandths);

// Starts a run and returns. Errors: NOT_LOADED, BUSY, ARGUMENT (max_top_k, inv_t, stop_id,
// more_prompts). The hardware reports any other bad setting at the run's end.
enum gpt2hw_error gpt2hw_start(struct gpt2hw *dev, const struct gpt2hw_run *run);

// Writes as many of n prompt ids as the FIFO has room for, and returns how many. Call it again with
// the rest. `last` means that the prompt ends with ids[n - 1]. In a run of several prompts, feed
// one while prompt_open is set, and before each but the first call gpt2hw_next_seed.
size_t gpt2hw_feed(struct gpt2hw *dev, const uint32_t *ids, size_t n, bool last);
// The seed of the prompt whose ids come next.
void gpt2hw_next_seed(struct gpt2hw *dev, uint64_t seed);

// Takes up to n chosen ids from the FIFO, and returns how many. Ids may be taken after the run's
// end, until the next start. take_tokens also says whose they are.
size_t gpt2hw_take(struct gpt2hw *dev, uint32_t *ids, size_t n);
struct gpt2hw_token {
  uint32_t id;
  uint32_t prompt;  // its number, from 0
  bool last;        // of this prompt's, in a run of several prompts
};
size_t gpt2hw_take_tokens(struct gpt2hw *dev, struct gpt2hw_token *tokens, size_t n);

struct gpt2hw_state {
  bool busy;         // a run is in progress, or a reset drains the memory
  bool done;         // the run has ended since the last start; error says how
  bool prompt_open;  // the prompt's last id has not been written; or the prompt has been
                     // taken, and another is to come
  uint32_t prompt_room, tokens;  // ids that feed and take could now move
  enum gpt2hw_error error;
};
// The device's state. Reads two registers.
struct gpt2hw_state gpt2hw_poll(struct gpt2hw *dev);

// Requests the end of the run. When it has ended, gpt2hw_poll gives done and ABORTED.
void gpt2hw_abort(struct gpt2hw *dev);

// Does a whole run: starts it, writes the prompt, passes each chosen id to on_token (unless NULL),
// and waits for the end. If on_token returns a value other than 0, the run is aborted, and the
// result is ABORTED after its end. If the host's idle function does, the run is aborted and the
// result is IDLE at once; the run then ends when the memory has answered, as gpt2hw_poll shows.
// Errors: gpt2hw_start's, the run's own, ABORTED, IDLE, OVERFLOW.
enum gpt2hw_error gpt2hw_generate(struct gpt2hw *dev, const struct gpt2hw_run *run,
                                  const uint32_t *prompt, size_t n_prompt,
                                  int (*on_token)(void *ctx, uint32_t id), void *ctx);

// The same for several prompts, at most can.prompts; run's seed and more_prompts are ignored. The
// hardware computes up to can.positions together. Each prompt's ids are those that it would get
// alone.
struct gpt2hw_prompt {
  const uint32_t *ids;
  size_t n;
  uint64_t seed;  // gpt2hw_seed: not 0
};
enum gpt2hw_error gpt2hw_generate_many(struct gpt2hw *dev, const struct gpt2hw_run *run,
                                       const struct gpt2hw_prompt *prompts, size_t n,
                                       int (*on_token)(void *ctx, const struct gpt2hw_token *token),
                                       void *ctx);

// ---- interrupts -----------------------------------------------------------------------------

// Bits of INT_STATUS and INT_ENABLE.
enum {
  GPT2HW_INT_DONE = 1,    // a run has ended
  GPT2HW_INT_ERROR = 2,   // it ended with an error
  GPT2HW_INT_PROMPT = 4,  // half of the prompt FIFO or more is free, and the prompt is not complete
  GPT2HW_INT_TOKEN = 8    // an id can be taken
};
// Selects the events that raise the interrupt.
void gpt2hw_interrupt_enable(struct gpt2hw *dev, uint32_t bits);
// The events that have happened, enabled or not.
uint32_t gpt2hw_interrupts(struct gpt2hw *dev);
// Clears events. A handler reads them, feeds and takes ids, and then clears what it has read. No
// event is lost, because PROMPT and TOKEN are set again while their condition holds. An idle
// function that sleeps must first sleep and then clear.
void gpt2hw_interrupt_clear(struct gpt2hw *dev, uint32_t bits);

// ---- counters and faults --------------------------------------------------------------------

// Cycles of the run so far, or of the last one.
uint64_t gpt2hw_cycles(struct gpt2hw *dev);
// Cycles spent on `what` (0 .. 9) in `phase` (0 .. 10): COUNT_SELECT in docs/registers.md.
uint64_t gpt2hw_count(struct gpt2hw *dev, uint32_t phase, uint32_t what);
// The beats that the run wrote to the KV cache.
uint64_t gpt2hw_kv_writes(struct gpt2hw *dev);
// The saturations since the start: results that a number format could not hold.
uint32_t gpt2hw_saturations(struct gpt2hw *dev);

// The run's first refused memory access, after READ or WRITE.
struct gpt2hw_fault {
  bool valid;
  bool write, decerr;  // DECERR: nothing is at the address; otherwise SLVERR
  uint32_t port;
};
struct gpt2hw_fault gpt2hw_fault(struct gpt2hw *dev);

#endif
