// SPDX-License-Identifier: Apache-2.0
//
// verilated_block - a Verilated module (class Vblock) behind the C table of verilated_block.h
//
// ports.inc, made from Vblock.h, has PORT(name, msb, IN | OUT) for each port. Compiled once for
// each module, together with everything that Verilator wrote for it.
#include "verilated_block.h"
#include "verilated_cpu.h"

#include <verilated.h>
#include <verilated_sym_props.h>
#include <verilated_syms.h>

#include <cstdlib>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "Vblock.h"
#if VM_TRACE
#include <gtkwave/fstapi.h>
#include <verilated_fst_c.h>
#endif

namespace {

// CPU_MARK and the words of verilated_cpu.h whose macros are defined: those expand to something
// other than their own names.
struct Cpu {
  char text[1024] = {};
  std::size_t n = 0;
  constexpr void add(const char *word) {
    while (*word) text[n++] = *word++;
  }
  constexpr Cpu() {
    add(CPU_MARK);
#define TEXT(x) #x
#define EXPANDED(x) TEXT(x)
#define CPU_WORD(word, macro)      \
  if (EXPANDED(macro)[0] != '_') { \
    add(" ");                      \
    add(#word);                    \
  }
    CPU_WORDS(CPU_WORD)
  }
};

int stops = 0;

struct Instance {
  VerilatedContext context;
  Vblock top{&context, "block"};
  std::vector<verilated_port> ports;
  std::list<std::string> names;  // of internal signals
#if VM_TRACE
  std::unique_ptr<VerilatedFstC> fst;  // one per file: reopened, it would mix up the signals'
                                       // numbers
  bool dumping = false;
#endif

  Instance() {
#define IN 1
#define OUT 0
#define PORT(name, msb, input) ports.push_back({#name, msb + 1, sizeof top.name, input, &top.name});
#include "ports.inc"
#undef PORT
    for (const auto &scope : *context.scopeNameMap()) {
      VerilatedVarNameMap *const vars = scope.second->varsp();
      if (!vars) continue;
      for (const auto &var : *vars) {
        const auto width = static_cast<unsigned>(
            std::abs(var.second.left(0) - var.second.right(0)) + 1);  // 0: packed
        names.push_back(std::string{scope.first}.substr(sizeof "block." - 1) + "." + var.first);
        ports.push_back({names.back().c_str(), width, static_cast<unsigned>(var.second.totalSize()),
                         0, var.second.datap()});
      }
    }
#if VM_TRACE
    context.traceEverOn(true);
#endif
  }
  ~Instance() {
    Verilated::threadContextp(&context);  // otherwise the instance made last would be used
    top.final();
  }
};

Instance *instance_of(void *p) { return static_cast<Instance *>(p); }

void destroy(void *p) { delete instance_of(p); }

unsigned ports(void *p, const verilated_port **out) {
  *out = instance_of(p)->ports.data();
  return static_cast<unsigned>(instance_of(p)->ports.size());
}

int eval(void *p) {
  auto *instance = instance_of(p);
  instance->context.timeInc(500);  // half a cycle: waveforms have a cycle a nanosecond
  instance->top.eval();
#if VM_TRACE
  if (instance->dumping) instance->fst->dump(instance->context.time());
#endif
  return stops;
}

#if VM_TRACE

// Some versions of Verilator mark packed structs after their names.
void dump_scope(VerilatedFstC &fst, const char *path) {
  std::string plain, marked;
  for (const char *c = path; *c; c++) {
    if (*c != ':') plain += *c;
    marked += *c == ':' ? '\206' : *c;
  }
  fst.dumpvars(1, "block." + plain);
  if (marked != plain) fst.dumpvars(1, "block." + marked);
}

void waveform_open(void *p, const char *path, const char *const *scopes, unsigned n) {
  auto *instance = instance_of(p);
  Verilated::threadContextp(&instance->context);
  instance->fst = std::make_unique<VerilatedFstC>();
  instance->top.trace(instance->fst.get(), 99);
  for (unsigned i = 0; i < n; i++) dump_scope(*instance->fst, scopes[i]);
  instance->fst->open(path);
}

void waveform_on(void *p, int on) {
  auto *instance = instance_of(p);
  if (on && !instance->dumping) instance->fst->dump(instance->context.time());
  instance->dumping = on != 0;
}

void waveform_close(void *p) {
  instance_of(p)->dumping = false;
  instance_of(p)->fst.reset();
}

int waveform_read(const char *path,
                  void (*signal)(void *ctx, const char *scope, const char *name, unsigned width),
                  void *ctx) {
  void *const file = fstReaderOpen(path);
  if (!file) return -1;
  std::vector<std::string> scope{""};
  while (const fstHier *h = fstReaderIterateHier(file)) {
    if (h->htyp == FST_HT_SCOPE) {
      const bool packed = h->u.scope.typ == FST_ST_VCD_STRUCT;
      scope.push_back(scope.back() + (scope.size() > 2 ? "." : "") +
                      (scope.size() > 1 ? h->u.scope.name : "") + (packed ? ":" : ""));
    } else if (h->htyp == FST_HT_UPSCOPE) {
      scope.pop_back();
    } else if (h->htyp == FST_HT_VAR) {
      signal(ctx, scope.back().c_str(), h->u.var.name, h->u.var.length);
    }
  }
  fstReaderClose(file);
  return 0;
}

#else

void (*const waveform_open)(void *, const char *, const char *const *, unsigned) = nullptr;
void (*const waveform_on)(void *, int) = nullptr;
void (*const waveform_close)(void *) = nullptr;
int (*const waveform_read)(const char *, void (*)(void *, const char *, const char *, unsigned),
                           void *) = nullptr;

#endif

void *create(const char *waveform) {
  stops = 0;
  auto *instance = new Instance;
#if VM_TRACE
  if (waveform) {
    waveform_open(instance, waveform, nullptr, 0);
    instance->dumping = true;
  }
#else
  (void)waveform;
#endif
  return instance;
}

}  // namespace

const struct verilated_block verilated_block = {create,         destroy,       ports,
                                                eval,           waveform_open, waveform_on,
                                                waveform_close, waveform_read};

// Verilator calls these when an assertion fails ($error, $fatal, $stop), after printing the
// message.
void vl_stop(const char *, int, const char *) VL_MT_UNSAFE {
  stops++;
  fflush(stdout);
}
void vl_finish(const char *, int, const char *) VL_MT_UNSAFE { stops++; }
void vl_fatal(const char *file, int line, const char *, const char *message) VL_MT_UNSAFE {
  stops++;
  printf("%s:%d: %s\n", file, line, message);
  fflush(stdout);
}

// Read from the file, not from memory: its code may not run on a processor that lacks what it
// needs.
extern "C" {
extern const Cpu verilated_cpu;
constexpr Cpu verilated_cpu;
}
