# SPDX-License-Identifier: Apache-2.0
#
# web.mk - the page: the machine in WebAssembly, compiled by Debian's Emscripten from the program's sources
#
#   build/web/                   a static site
#   build/web/gpt2rtl.html       the same in one file, which opens from disk
#   build/web/machine-L-N.wasm   the hardware with L lanes and NormWidth N, and the C around it. All of
#                                them share machine.js, Emscripten's loader
W         := $(B)/web
WO        := $(B)/web-obj
MACHINES  := 64-64 64-4 256-64 256-4
EM_ENV    := NODE_PATH=/usr/share/nodejs
EMCC      := $(EM_ENV) emcc
WEB_FLAGS := -O3 -msimd128
WEB_C     := $(filter-out link/%.c sim/library.c sim/model_code.c sim/axi_%.c fast/fast_kernels_%vnni.c fast/fast_kernels_%2.c fast/fast_kernels_neon.c,$(C_SRC)) lib/top.c
WEB_PCRE2 := auto_possess chartables compile config context convert dfa_match error extuni find_bracket jit_compile maketables match \
             match_data newline ord2utf pattern_info script_run serialize string_utils study substitute substring tables ucd valid_utf xclass
WEB_INC   := -isystem $(WO)/include -Ibase $(patsubst %,-I%,$(wildcard model/*)) -Igolden -Ifast -Isim -Ilib -Icli -Iweb -I$(B)/gen
WEB_CFLAGS := -std=c11 $(WEB_FLAGS) -ffp-contract=off -D_GNU_SOURCE -DXXH_INLINE_ALL $(WEB_INC) -Wall -Wextra -Wshadow -Wno-unused-function

# PCRE2, cJSON, and the Linux headers that the C files include.
$(WO)/include/ready: web/sources.sh
	@mkdir -p $(@D)/cjson $(@D)/linux
	@web/sources.sh $(WO)/src cjson pcre2 2> $(WO)/sources.log || { cat $(WO)/sources.log >&2; exit 1; }
	@cp $(WO)/src/cjson/cJSON.h $(@D)/cjson/
	@cp $(WO)/src/pcre2/src/pcre2.h.generic $(@D)/pcre2.h
	@cp $(WO)/src/pcre2/src/config.h.generic $(WO)/src/pcre2/src/config.h
	@cp $(WO)/src/pcre2/src/pcre2_chartables.c.dist $(WO)/src/pcre2/src/pcre2_chartables.c
	@cp /usr/include/xxhash.h /usr/include/linux/magic.h $(@D)/ && mv $(@D)/magic.h $(@D)/linux/
	@touch $@

$(WO)/%.o: %.c $(WO)/include/ready $(TABLES)
	@mkdir -p $(@D)
	$(call do,EMCC) $(EMCC) $(WEB_CFLAGS) -MMD -MP -c $< -o $@
$(WO)/pcre2/%.o: $(WO)/include/ready
	@mkdir -p $(@D)
	$(call do,EMCC) $(EMCC) -O2 -w -DHAVE_CONFIG_H -DSUPPORT_UNICODE -DPCRE2_CODE_UNIT_WIDTH=8 -DPCRE2_STATIC -isystem $(WO)/include \
	  -I$(WO)/src/pcre2/src -c $(WO)/src/pcre2/src/pcre2_$*.c -o $@
$(WO)/cjson.o: $(WO)/include/ready
	$(call do,EMCC) $(EMCC) -O2 -w -isystem $(WO)/include -c $(WO)/src/cjson/cJSON.c -o $@
$(WO)/libmachine.a: $(WEB_C:%.c=$(WO)/%.o) $(WO)/web/system.o $(WEB_PCRE2:%=$(WO)/pcre2/%.o) $(WO)/cjson.o
	@rm -f $@
	$(call do,EMAR) $(EM_ENV) emar rcs $@ $^

# The hardware: the steps of sim/verilate.sh with Emscripten's compiler, and the signals that observers read.
WEB_VERILATED := -std=c++17 $(WEB_FLAGS) -Wno-everything -DVL_USER_STOP -DVL_USER_FATAL -DVL_USER_FINISH -DVL_IGNORE_UNKNOWN_ARCH \
                 '-DVL_CPU_RELAX()=' -DVM_COVERAGE=0 -DVM_SC=0 -DVM_TRACE=0
$(WO)/verilated.o: $(wildcard $(VERILATOR_ROOT)/include/verilated.cpp)
	@mkdir -p $(@D)
	$(call do,EMCC) $(EMCC) $(WEB_VERILATED) -O2 $(VERILATED_INC) -c $(VERILATOR_ROOT)/include/verilated.cpp -o $@
$(WO)/verilated_threads.o: $(wildcard $(VERILATOR_ROOT)/include/verilated_threads.cpp)
	@mkdir -p $(@D)
	$(call do,EMCC) $(EMCC) $(WEB_VERILATED) -O2 $(VERILATED_INC) -c $(VERILATOR_ROOT)/include/verilated_threads.cpp -o $@
WEB_VLT := $(wildcard sim/*.vlt)
$(WO)/machine-%.a: $(RTL) $(wildcard rtl/*/*.svh) $(WEB_VLT) web/verilate.sh sim/verilated_block.cpp sim/verilated_block.h web/library.c web/machine.h
	@mkdir -p $(@D)
	$(call do,VERILATE) $(EM_ENV) VERILATOR='$(VERILATOR)' FLAGS="$(WEB_VERILATED)" web/verilate.sh $@ $(subst -, ,$*) $(FAST) $(WEB_VLT) $(RTL_PKG) rtl/top/gpt2_top.sv

# -O2 renames no imports or exports, so one loader serves all machines.
WEB_LINK := -O2 -msimd128 -sMODULARIZE=1 -sEXPORT_NAME=Machine -sENVIRONMENT=worker,node -sALLOW_MEMORY_GROWTH=1 -sMAXIMUM_MEMORY=4GB \
            -sINITIAL_MEMORY=64MB -sTOTAL_STACK=1MB -sFORCE_FILESYSTEM=1 -sEXPORTED_RUNTIME_METHODS=FS,cwrap,UTF8ToString
$(W)/machine-%.wasm: $(WO)/machine-%.a $(WO)/web/machine.o $(WO)/libmachine.a $(WO)/verilated.o $(WO)/verilated_threads.o
	@mkdir -p $(@D) $(WO)/link-$*
	$(call do,EMLINK) $(EMCC) $(WEB_LINK) $^ -o $(WO)/link-$*/machine.js
	@mv $(WO)/link-$*/machine.wasm $@
$(W)/machine.js: $(MACHINES:%=$(W)/machine-%.wasm)
	@for m in $(MACHINES); do cmp $(WO)/link-$(firstword $(MACHINES))/machine.js $(WO)/link-$$m/machine.js || exit 1; done
	@cp $(WO)/link-$(firstword $(MACHINES))/machine.js $@


# The site, and the same in one file.
SITE := machine.js worker.js page.js page.css index.html sources.json demo.image config.json vocab.json merges.txt
$(W)/demo.image: $(B)/gpt2rtl $(wildcard models/demo/*)
	@mkdir -p $(@D)
	$(call do,IMAGE) $< compile --model models/demo --lanes 64 --output $@ 2> $(WO)/image.log || { cat $(WO)/image.log >&2; exit 1; }
$(addprefix $(W)/,config.json vocab.json merges.txt): $(W)/%: models/demo/%
	@mkdir -p $(@D) && cp $< $@
$(W)/sources.json: web/pack.sh $(RTL)
	@mkdir -p $(@D)
	$(call do,PACK) web/pack.sh sources $(RTL) > $@
$(W)/page.js: $(addprefix web/page/,base.js timeline.js panels.js main.js)
	@mkdir -p $(@D) && cat $^ > $@
$(W)/worker.js $(W)/page.css: $(W)/%: web/page/%
	@mkdir -p $(@D) && cp $< $@
$(W)/index.html: web/pack.sh web/page/index.html docs/hardware.svg
	@mkdir -p $(@D)
	$(call do,PACK) web/pack.sh site > $@
$(W)/gpt2rtl.html: web/pack.sh web/page/index.html docs/hardware.svg $(addprefix $(W)/,$(SITE)) $(MACHINES:%=$(W)/machine-%.wasm)
	$(call do,PACK) web/pack.sh one $(W) $(filter-out page.% index.html,$(SITE)) $(MACHINES:%=machine-%.wasm) > $@
.PHONY: web for-web pictures
for-web: $(W)/gpt2rtl.html $(W)/index.html
web:
	@tools/deps.sh web
	@$(MAKE) --no-print-directory $(PARALLEL) for-web
	@echo "$(W)/gpt2rtl.html opens in a browser; $(W)/ is the same as a site"

# docs/page*.png: the page in Debian's Chromium, halted within a token.
pictures:
	@tools/deps.sh web-test
	@$(MAKE) --no-print-directory $(PARALLEL) for-web
	@syn/venv.sh selenium==4.51.0 && $(B)/venv/bin/python test/web.py $(W) pictures docs

.SECONDARY: $(MACHINES:%=$(WO)/machine-%.a) $(WO)/web/machine.o
-include $(shell find $(WO) -name '*.d' 2>/dev/null)
