# SPDX-License-Identifier: Apache-2.0
"""Takes every module of rtl/ through Yosys with the slang front end: hierarchy, proc, opt, check.

    build/venv/bin/python syn/synth_check.py [MODULE[:PARAMETER=VALUE]...]      (make synth-check makes build/venv)

Each module in turn is the top, with the parameters of SMALL that it has, in a process of its own; the modules of VARIANTS
are run again with theirs. Prints results as the tests do. A module fails on an error or a warning in any of these steps.
"""

import concurrent.futures
import glob
import os
import re
import subprocess
import sys

import modules
import verilog

# Sizes that keep the netlists small. Every generate branch that a named configuration takes is
# still taken by one of them.
SMALL = {"Segments": 4, "Lanes": 256, "MaxHeads": 4, "MaxCtx": 256, "RomBeats": 16, "RamBeats": 16,
         "RomFile": '"build/synth/rom.hex"'}
VARIANTS = ["matvec:AdderRetiming=1", "sampling:SystolicList=0", "axi_memory:Ports=1", "axi_memory:PortBits=128"]
FILES = {os.path.basename(f)[:-3]: f for f in glob.glob("rtl/*/*.sv")}


def sources(module, seen):
    """The module's file and those of all modules below it."""
    if module in seen:
        return
    if module not in FILES:
        return
    seen.append(module)
    for name in re.findall(r"^\s*([a-z]\w*)\s*(?:#\s*\(|u_\w+)", open(FILES[module]).read(), re.M):
        sources(name, seen)


def child(module):
    from pyosys import libyosys as ys
    module, _, parameter = module.partition(":")
    files = []
    sources(module, files)
    text = open(FILES[module]).read()
    parameters = re.findall(r"^\s*parameter\s+(?:int\s+unsigned\s+)?(\w+)", text, re.M)
    given = " ".join(f"-G {p}={SMALL[p]}" for p in parameters if p in SMALL) + (parameter and f" -G {parameter}")
    design = ys.Design()
    for command in (
        f"read_slang -j 1 -I rtl/base -D SYNTHESIS --top {module} {given} " + " ".join(verilog.PACKAGES + [FILES[f] for f in files]),
        f"hierarchy -check -top {module}", "proc", "opt", "check -assert", "stat",
    ):
        ys.run_pass(command, design)


def check(module):
    run = subprocess.run([sys.executable, __file__, "--child", module], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with open(f"build/synth/{module}.log", "w") as log:
        log.write(run.stdout)
    problems = [line for line in run.stdout.splitlines() if re.search(r"\b(warning|error)s?:", line, re.I)]
    if run.returncode != 0 and not problems:
        problems = run.stdout.splitlines()[-5:]
    cells = re.findall(r"^\s+(\d+)(?:\s+[\d.e+-]+)? cells$|Number of cells:\s+(\d+)", run.stdout, re.M)
    return module, problems, next((a or b for a, b in reversed(cells)), "?")


def main():
    names = sys.argv[1:] or sorted(f for f in FILES if not f.endswith("_pkg")) + VARIANTS
    os.makedirs("build/synth", exist_ok=True)
    with open("build/synth/rom.hex", "w") as rom:
        rom.write((512 * "5" + "\n") * SMALL["RomBeats"])
    failed = 0
    print(f"[==========] Running {len(names)} test(s).", flush=True)
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", os.cpu_count() or 1))) as pool:
        for module, problems, cells in pool.map(check, names):
            for line in problems[:8]:
                print("  " + line)
            name = "synth." + re.sub(r"\W", "_", module)
            print(f"[  FAILED  ] {name}" if problems else f"[       OK ] {name}  # {cells} cells", flush=True)
            failed += bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(modules.start(main, child, bare=True))
