// SPDX-License-Identifier: Apache-2.0
//
// verilated_block - a Verilated module (class Vblock) behind the C table of verilated_block.h
//
// ports.inc, made from Vblock.h, has PORT(name, msb, IN | OUT) for each port. Compiled once for each module, together
// with everything that Verilator wrote for it.
#include "verilated_block.h"

#include <verilated.h>

#include <vector>

#include "Vblock.h"
#if VM_TRACE
#include <verilated_fst_c.h>
#endif

namespace {

int stops = 0;

struct Instance {
  VerilatedContext context;
  Vblock top{&context, "block"};
  std::vector<verilated_port> ports;
#if VM_TRACE
  VerilatedFstC fst;
#endif

  explicit Instance(const char *trace) {
#define IN 1
#define OUT 0
#define PORT(name, msb, input) ports.push_back({#name, msb + 1, sizeof top.name, input, &top.name});
#include "ports.inc"
#undef PORT
#if VM_TRACE
    if (trace) {
      context.traceEverOn(true);
      top.trace(&fst, 99);
      fst.open(trace);
    }
#else
    (void)trace;
#endif
  }
  ~Instance() {
    top.final();
#if VM_TRACE
    fst.close();
#endif
  }
};

void *create(const char *trace) {
  stops = 0;
  return new Instance(trace);
}
void destroy(void *p) { delete static_cast<Instance *>(p); }
unsigned ports(void *p, const verilated_port **out) {
  auto *instance = static_cast<Instance *>(p);
  *out = instance->ports.data();
  return static_cast<unsigned>(instance->ports.size());
}
int eval(void *p) {
  auto *instance = static_cast<Instance *>(p);
  instance->context.timeInc(1);
  instance->top.eval();
#if VM_TRACE
  instance->fst.dump(instance->context.time());
#endif
  return stops;
}

}  // namespace

const struct verilated_block verilated_block = {create, destroy, ports, eval};

// Verilator calls these where an assertion fails ($error, $fatal, $stop), after it has printed the message.
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
