// SPDX-License-Identifier: Apache-2.0
//
// axi_run - runs a model on the simulated gpt2_axi with its driver, as the host of a real system
// does; axi_bus.h replaces the system
//
// The driver sees only ids, so the token loop (controller.h) of each run is followed here too. A
// step with the head ends when its id arrives. Steps without the head are reported with the cycles
// of the previous step. Ids come by interrupt.
#ifndef GPT2RTL_AXI_RUN_H
#define GPT2RTL_AXI_RUN_H

#include "axi_bus.h"
#include "controller.h"
#include "counters.h"
#include "image.h"
#include "sim.h"

struct axi_run;

// Loads the image, which must outlive the run, into the memory at the ports: stripe after stripe,
// each followed by its cache. Release with axi_run_close, which also accepts NULL. Errors:
// axi_bus_open's; what the driver refuses.
int axi_run_open(struct axi_run **run, const struct image *image, const struct axi_ports *ports,
                 const struct sim_memory *memory, enum sim_build build, struct err *err);
void axi_run_close(struct axi_run *run);

// Like sim_run. result->cycles is the hardware's count; beats are bytes / lanes. all_heads is an
// error, because the stream of logits is not connected.
int axi_run_generate(struct axi_run *run, const struct controller_run *controller,
                     struct sim_result *result, struct err *err);
// Like sim_run_many, for at most axi_run_prompts runs; 1 if the hardware runs only one at a time.
int axi_run_many(struct axi_run *run, const struct sim_runs *runs, struct sim_result *result,
                 struct err *err);
uint32_t axi_run_prompts(const struct axi_run *run);

// Like sim_cycles, sim_saturations and sim_read_counters.
uint64_t axi_run_cycles(const struct axi_run *run);
uint32_t axi_run_saturations(struct axi_run *run);
int axi_run_counters(struct axi_run *run, struct sim_counters *counters, struct err *err);

#endif
