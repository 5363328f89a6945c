# SPDX-License-Identifier: Apache-2.0
"""slang -Wextra over rtl/, by its Python binding. Prints as the tests do.

    build/venv/bin/python lint/slang.py      (lint/lint_slang.sh makes build/venv)
"""

import glob
import os
import re
import sys

from pyslang import driver

# TOP PARAMETER=VALUE...: each generate branch is in one of them
DESIGNS = ["gpt2_top", "gpt2_top Lanes=64 NormWidth=4 AdderRetiming=1 ClockGating=1 SystolicList=0 Watchdog=8192",
           "gpt2_top Lanes=4096 ExpWidth=4", r'onchip_memory RomFile=\"rom.hex\"', "gpt2_axi"]
# Warnings that are not asked for:
WITHOUT = [
    "case-redundant-default",    # lowRISC's style demands a default of a unique case: it says what an illegal state does
    "useless-cast",              # a cast says the width that is meant; with other parameters it is not that of the operand
    "multiple-always-assigns",   # registers of assertions have initial values, which Verilator 5.048 rejects in a declaration
]
PACKAGES = ["rtl/base/gpt2_pkg.sv", "rtl/base/gpt2_tables_pkg.sv", "rtl/wrap/gpt2_csr_pkg.sv"]
GENERATED = "rtl/wrap/gpt2_csr*"      # by PeakRDL: errors only


def check(design):
    top, *parameters = design.split()
    files = PACKAGES + [f for f in sorted(glob.glob("rtl/*/*.sv")) if f not in PACKAGES]
    slang = driver.Driver()
    slang.addStandardArgs()
    command = ["slang", "-Wextra", "-Werror", *(f"-Wno-{w}" for w in WITHOUT), f"--suppress-warnings {GENERATED}", "-I rtl/base",
               f"--top {top}", *(f"-G {p}" for p in parameters), *files]
    return slang.parseCommandLine(" ".join(command)) and slang.processOptions() and slang.parseAllSources() \
        and slang.runFullCompilation(True)


def main():
    print(f"[==========] Running {len(DESIGNS)} test(s).", flush=True)
    status = 0
    for design in DESIGNS:
        name = "lint_slang." + re.sub(r"\W+", "_", design).strip("_")
        # In a process of its own, whose messages come before its line.
        child = os.fork()
        if child == 0:
            os._exit(0 if check(design) else 1)
        good = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        print(f"[       OK ] {name}" if good else f"[  FAILED  ] {name}", flush=True)
        status |= not good
    return status


if __name__ == "__main__":
    sys.exit(main())
