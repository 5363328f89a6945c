// SPDX-License-Identifier: Apache-2.0
//
// gpt2rtl - the library: GPT-2 in integer arithmetic, in C and on simulated hardware
//
//   struct gpt2rtl_error error;
//   struct gpt2rtl_model *model;
//   struct gpt2rtl_engine *engine;
//   const struct gpt2rtl_options options = {.size = sizeof options};
//   const struct gpt2rtl_request request = {
//       .size = sizeof request, .prompt = "Once upon a time", .tokens = 100, .text = on_text};
//   if (gpt2rtl_model_open(&model, "models/demo", &error) ||
//       gpt2rtl_engine_open(&engine, model, &options, &error) ||
//       gpt2rtl_generate(engine, &request, NULL, &error))
//     fprintf(stderr, "%s\n", error.text);
//
// Failure. A function that can fail returns 0, or -1 on failure. After -1, error (which may be
// NULL) holds one sentence: what failed, where, and what to do. An object that could not be opened
// is NULL, and no unfinished file is left on disk. The library prints nothing, never ends the
// program, and installs no signal handler.
//
// Memory. Everything that a function opens or returns belongs to the caller: close it, or free it
// with gpt2rtl_free. Close and free accept NULL. Strings and arrays that the caller passes are used
// only during the call. A model must outlive its engines.
//
// Threads. Any number of threads may use a model at the same time. An engine may be used by one
// thread at a time, which need not be the thread that opened it. Different engines may be used at
// the same time, even if they share a model. An engine may not be used in its own callbacks.
//
// Environment. Memory images and simulators are made on first use and kept in
// $XDG_CACHE_HOME/gpt2rtl (~/.cache/gpt2rtl). The hardware's sources and simulators are found in
// share/gpt2rtl next to the folder of the program or of the shared library, or in $GPT2RTL_ROOT.
// GPT2RTL_SIMULATOR names a simulator to use instead. An image is mapped: if its file is truncated
// while an engine uses it, the system sends SIGBUS.
//
// Structs that the caller fills begin with their size, so that a program works with later versions
// of the library. A member that is zero has its default value. A size of no version is refused.
#ifndef GPT2RTL_H
#define GPT2RTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GPT2RTL_API __attribute__((visibility("default")))
#else
#define GPT2RTL_API
#endif

// The version of this header. The soname has the first two numbers while the first is 0.
#define GPT2RTL_VERSION_MAJOR 0
#define GPT2RTL_VERSION_MINOR 1
#define GPT2RTL_VERSION_PATCH 0
#define GPT2RTL_VERSION "0.1.0"
// The version of the library: "0.1.0".
GPT2RTL_API const char *gpt2rtl_version(void);

struct gpt2rtl_error {
  char text[512];  // UTF-8 without newlines and other characters that a terminal would act upon
};

// Frees ids or a text that the library returned. memory may be NULL.
GPT2RTL_API void gpt2rtl_free(void *memory);

// ------------------------------------------------------------------------------------------- model

// The shape and the tokenizer of a model folder in the Hugging Face layout, or of a memory image.
// Engines load the weights.
struct gpt2rtl_model;

struct gpt2rtl_shape {
  uint32_t layers, heads, width, context, vocabulary;
};

// Opens a model folder. If its tokenizer cannot be loaded, the model still opens, and takes and
// gives ids. Errors: the folder or its configuration is absent, malformed or not GPT-2's.
GPT2RTL_API int gpt2rtl_model_open(struct gpt2rtl_model **model, const char *folder,
                                   struct gpt2rtl_error *error);
// Opens a memory image, written by `gpt2rtl compile`. The integer engines need no model folder for
// it. folder is NULL, or the folder of the tokenizer. Errors: the image is unreadable, damaged or
// of another version; the folder's, as above.
GPT2RTL_API int gpt2rtl_model_open_image(struct gpt2rtl_model **model, const char *image,
                                         const char *folder, struct gpt2rtl_error *error);
// All engines of the model must be closed first.
GPT2RTL_API void gpt2rtl_model_close(struct gpt2rtl_model *model);

GPT2RTL_API struct gpt2rtl_shape gpt2rtl_model_shape(const struct gpt2rtl_model *model);
// Whether the model has a tokenizer. If not, error says why.
GPT2RTL_API bool gpt2rtl_has_tokenizer(const struct gpt2rtl_model *model,
                                       struct gpt2rtl_error *error);
// Whether the id ends a text.
GPT2RTL_API bool gpt2rtl_is_end(const struct gpt2rtl_model *model, uint32_t id);

// Encodes length bytes of text, which need not be UTF-8, to *count ids. Free *ids. Errors: no
// tokenizer; out of memory.
GPT2RTL_API int gpt2rtl_encode(const struct gpt2rtl_model *model, const char *text, size_t length,
                               uint32_t **ids, size_t *count, struct gpt2rtl_error *error);
// Decodes count ids to *length bytes, which need not be UTF-8, and a terminating zero. Free *text.
// Errors: an id outside the vocabulary; no tokenizer; out of memory.
GPT2RTL_API int gpt2rtl_decode(const struct gpt2rtl_model *model, const uint32_t *ids, size_t count,
                               char **text, size_t *length, struct gpt2rtl_error *error);
// The bytes of one token, without a terminating zero; *length is their number. They live as long as
// the model. An id without text gives NULL and 0.
GPT2RTL_API const char *gpt2rtl_token(const struct gpt2rtl_model *model, uint32_t id,
                                      size_t *length);

// ------------------------------------------------------------------------------------------ engine

// A model on one of the engines below. It computes one sequence at a time or, in
// gpt2rtl_generate_many, several.
struct gpt2rtl_engine;

enum gpt2rtl_kind {
  GPT2RTL_GOLDEN,           // the hardware's integers in C, at the speed of the memory
  GPT2RTL_GOLDEN_READABLE,  // the same from the code that the hardware is tested against
  GPT2RTL_FLOAT,            // the float32 reference; not for an image
  GPT2RTL_RTL,              // the hardware, simulated
};

struct gpt2rtl_options {
  size_t size;  // sizeof(struct gpt2rtl_options)
  enum gpt2rtl_kind kind;
  uint32_t threads;    // GOLDEN: 1 to 256; 0: one
  const char *vector;  // GOLDEN: "portable", "avx2", ...; NULL: the fastest that this machine runs
  uint32_t lanes;      // all but FLOAT: 64, 128, ... 4096; 0: 256. An image has its own
  const char *memory;  // RTL: "latency=150,beats=1.0,stall=0.0" or "hbm2-u280"; NULL: the former
  double clock;        // RTL: MHz of the hardware, for a named memory; 0: 250
  // Called during gpt2rtl_engine_open with a sentence that says which file is being made.
  void (*note)(void *note_ctx, const char *sentence);
  void *note_ctx;
  // GOLDEN: how many sequences gpt2rtl_generate_many computes side by side, 1 to 64; 0: one. Each
  // takes 2 x layers x width x context bytes.
  uint32_t sequences;
};

// Opens an engine and loads the weights. When a folder is first opened for a number of lanes, a
// memory image is made and kept. If there is no simulator for these lanes, make, Verilator and
// clang build one, which takes a minute or more. Errors: a file of the weights or the image is
// unreadable or malformed; an option is outside its range; the simulator cannot be built; out of
// memory.
GPT2RTL_API int gpt2rtl_engine_open(struct gpt2rtl_engine **engine,
                                    const struct gpt2rtl_model *model,
                                    const struct gpt2rtl_options *options,
                                    struct gpt2rtl_error *error);
GPT2RTL_API void gpt2rtl_engine_close(struct gpt2rtl_engine *engine);

// Computes id at the sequence's next position. logits is NULL or has room for one float per id of
// the vocabulary; it receives the next token's logits. A sequence begins after opening and after
// gpt2rtl_reset. Errors: an id outside the vocabulary; the context is full; the engine is RTL,
// which chooses its tokens itself.
GPT2RTL_API int gpt2rtl_step(struct gpt2rtl_engine *engine, uint32_t id, float *logits,
                             struct gpt2rtl_error *error);
// Forgets the sequence, so that the next step computes position 0.
GPT2RTL_API void gpt2rtl_reset(struct gpt2rtl_engine *engine);
// The number of positions that gpt2rtl_step has computed in this sequence.
GPT2RTL_API uint32_t gpt2rtl_position(const struct gpt2rtl_engine *engine);

// Computes the logits after each of count ids, 1 to the context, on any kind of engine. `take`
// receives them position by position. If it returns non-zero, the run ends, which is not an error.
// The ids are a new sequence, which is forgotten at the end. Errors: an id outside the vocabulary,
// or count outside its range; RTL: the hardware reports an error.
GPT2RTL_API int gpt2rtl_logits(struct gpt2rtl_engine *engine, const uint32_t *ids, size_t count,
                               int (*take)(void *ctx, size_t position, const float *logits),
                               void *ctx, struct gpt2rtl_error *error);

// ---------------------------------------------------------------------------------------- generate

enum gpt2rtl_ending {
  GPT2RTL_END_LENGTH,  // the requested number of tokens
  GPT2RTL_END_TOKEN,   // a token that ends a text
  GPT2RTL_END_STOP,    // a stop text
  GPT2RTL_END_CALLER,  // a callback
};

// A completed position of a run.
struct gpt2rtl_position_report {
  uint32_t position, id;  // the input id and its position
  bool chooses;           // whether the head ran and an id was chosen
  uint32_t choice;        // that id
  bool recomputed;        // whether the position was computed again because the context was full
  uint64_t cycles;        // RTL: the hardware's, since the run's start; otherwise 0
};

struct gpt2rtl_candidate {
  uint32_t id;
  double probability;  // among all tokens: softmax(logits / temperature)
  double drawn;  // the probability of being drawn: the same among the tokens that top_k and top_p
                 // leave
};
enum { GPT2RTL_CANDIDATES = 100 };

struct gpt2rtl_result {
  enum gpt2rtl_ending ending;
  size_t stop_text;      // GPT2RTL_END_STOP: its index in stop_texts
  size_t tokens;         // chosen
  uint64_t saturations;  // numbers clipped to their format, in runs side by side with this one too;
                         // above 0, the result is not exact
};

struct gpt2rtl_request {
  size_t size;  // sizeof(struct gpt2rtl_request)
  // The prompt as text or, if that is NULL, as ids. If it is empty or neither is given, the run
  // begins with the model's token that begins a text.
  const char *prompt;
  size_t prompt_length;  // in bytes; 0: up to the terminating zero
  const uint32_t *ids;
  size_t n_ids;
  uint32_t tokens;  // the most tokens to generate, 1 or more. When the context is full, its newest
                    // half is computed again
  bool ignore_end;  // tokens that end a text do not end the run
  const char *const *stop_texts;  // NULL, or a list that ends with NULL: the run ends before the
                                  // first of these texts

  double temperature;  // 0: always the most likely token; otherwise 0.01 to 100
  uint32_t top_k;      // draw among the most likely, 1 to 64; 0: 40 or, with top_p, all
  double top_p;        // draw among the most likely that together have this probability, 0.001 to 1
  double repetition_penalty;  // 0.1 to 10; 0 or 1: none
  uint64_t seed;              // the same request with the same seed gives the same text
  // RTL supports neither top_p nor repetition_penalty.

  // Callbacks. Each may be NULL. If it returns non-zero, the run ends.
  void *ctx;
  int (*text)(void *ctx, const char *bytes, size_t n);  // new text, in whole characters
  int (*token)(void *ctx, uint32_t id);                 // an id was chosen
  int (*position)(void *ctx, const struct gpt2rtl_position_report *report);
  // The n_candidates most likely tokens of each choice, 1 to GPT2RTL_CANDIDATES, the most likely
  // first, and after them the choice if it is not among these.
  size_t n_candidates;
  int (*candidates)(void *ctx, const struct gpt2rtl_position_report *report,
                    const struct gpt2rtl_candidate *list, size_t n);
  // The run has ended without an error. Returning non-zero ends the other runs of
  // gpt2rtl_generate_many too.
  int (*ended)(void *ctx, const struct gpt2rtl_result *result);
};

// Computes the ids with which a run of the request would begin. Free *ids. This needs no engine.
// Errors: a member outside its range; a prompt longer than the context, or an id outside the
// vocabulary; no tokenizer for a text.
GPT2RTL_API int gpt2rtl_prompt_ids(const struct gpt2rtl_model *model,
                                   const struct gpt2rtl_request *request, uint32_t **ids,
                                   size_t *count, struct gpt2rtl_error *error);

// Continues a prompt as a new sequence, which is forgotten at the end. result may be NULL. A run
// that a callback ends has not failed. Errors: those of gpt2rtl_prompt_ids; RTL: the hardware
// reports an error or stops, and the engine can then only be closed.
GPT2RTL_API int gpt2rtl_generate(struct gpt2rtl_engine *engine,
                                 const struct gpt2rtl_request *request,
                                 struct gpt2rtl_result *result, struct gpt2rtl_error *error);

// Continues count prompts, each to the same text as gpt2rtl_generate would. A GOLDEN engine
// computes as many side by side as it has sequences, and reads each weight once for all of them;
// when one ends, the next begins. Other engines compute them in turn. results is NULL or has room
// for count. Errors: those of gpt2rtl_generate. No run begins unless all requests are valid. If a
// run fails later, the others continue, and the first failure is reported.
GPT2RTL_API int gpt2rtl_generate_many(struct gpt2rtl_engine *engine,
                                      const struct gpt2rtl_request *const *requests, size_t count,
                                      struct gpt2rtl_result *results, struct gpt2rtl_error *error);

#ifdef __cplusplus
}
#endif
#endif
