// SPDX-License-Identifier: Apache-2.0
//
// axi_run - a model on the simulated gpt2_axi, run by its driver: the host of a real system, with
// axi_bus.h in place of the system
//
// The driver sees ids alone. So the token loop (controller.h) runs here too, with the hardware as
// its model: a step with the head is over when its id has come; steps without it are reported with
// the cycles of the step before. Ids come by interrupt.
#ifndef GPT2RTL_AXI_RUN_H
#define GPT2RTL_AXI_RUN_H

#include "axi_bus.h"
#include "controller.h"
#include "counters.h"
#include "image.h"
#include "sim.h"

struct axi_run;

// The image, which must outlive it, in the memory behind the ports: stripe after stripe, each with
// its cache after it. Release with axi_run_close, which takes NULL. Errors: axi_bus_open's; what
// the driver refuses.
int axi_run_open(struct axi_run **run, const struct image *image, const struct axi_ports *ports,
                 const struct sim_memory *memory, enum sim_build build, struct err *err);
void axi_run_close(struct axi_run *run);

// As sim_run. result->cycles is the hardware's own count; beats are bytes / lanes. A further error
// is all_heads, because logits leave by a stream that is not connected here.
int axi_run_generate(struct axi_run *run, const struct controller_run *controller,
                     struct sim_result *result, struct err *err);

// As sim_cycles and sim_read_counters.
uint64_t axi_run_cycles(const struct axi_run *run);
int axi_run_counters(struct axi_run *run, struct sim_counters *counters, struct err *err);

#endif
