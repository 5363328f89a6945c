# SPDX-License-Identifier: Apache-2.0
"""The whole machine placed and routed on an ECP5-85F, speed grade 6: Yosys, then nextpnr.

    build/venv/bin/python syn/route.py PARAMETER=VALUE... [SEED]      (make route)

The parameters are those of gpt2_top; Top=gpt2_axi takes that module instead. Every port but the clock gets a register, so
each path of the machine lies between two registers and is timed. The registers form one shift register, so three pins serve
them all and the clock has a global net, as on a board. The design is flattened. Prints LUT,
flip-flops, block RAM and DSP against what the device has, Fmax, and the slowest paths with the source's nets along them;
the same goes to build/route/report.md. Netlist, log and nextpnr's report stay there too. nextpnr-ecp5 is taken from the
PATH if it is there, from PyPI otherwise.
"""

import json
import os
import re
import subprocess
import sys
import time

import fmax
import modules

OUT = "build/route"
SYNTHESIS = "synth_ecp5 -nowidelut -top ring"
PLACE = "--router router2 --85k --package CABGA756 --speed 6 --lpf-allow-unconstrained --freq 70 --timing-allow-fail"
STALLED = 20    # iterations of router2 without fewer overused wires that end it
USED = {"TRELLIS_COMB": "LUT4", "TRELLIS_FF": "flip-flops", "DP16KD": "block RAM", "MULT18X18D": "DSP"}


def ring(text):
    """The module within a shift register, as \\ring. An input's bits shift; an output's are added to those that pass."""
    at = [m.start() for m in re.finditer(r"^module ", text, re.M)][-1]
    name = re.match(r"module (\S+)", text[at:])[1]
    lines = ["module \\ring", "  wire input 1 \\clk_i", "  wire input 2 \\shift_i", "  wire output 3 \\shift_o"]
    cell, before = [f"  cell {name} \\u", "    connect \\clk_i \\clk_i"], "\\shift_i"
    for line in re.findall(r"^  wire .*\b(?:input|output) \d+ .*", text[at:], re.M):
        width, way, port = re.match(r"  wire (?:width (\d+) )?.*?(input|output) \d+ (\S+)$", line).groups()
        if port == "\\clk_i":
            continue
        width = int(width or 1)
        q = port + "_ring"
        d = f"{{ {q} [{width - 2}:0] {before} }}" if width > 1 else before
        lines.append(f"  wire width {width} {q}")
        if way == "output":
            lines += [f"  wire width {width} {port}", f"  wire width {width} {port}_sum", f"  cell $xor {port}_add",
                      *(f"    parameter \\{p}_SIGNED 0" for p in "AB"), *(f"    parameter \\{p}_WIDTH {width}" for p in "ABY"),
                      f"    connect \\A {port}", f"    connect \\B {d}", f"    connect \\Y {port}_sum", "  end"]
            d = port + "_sum"
        lines += [f"  cell $dff {port}_register", "    parameter \\CLK_POLARITY 1", f"    parameter \\WIDTH {width}",
                  "    connect \\CLK \\clk_i", f"    connect \\D {d}", f"    connect \\Q {q}", "  end"]
        cell.append(f"    connect {port} {port if way == 'output' else q}")
        before = f"{q} [{width - 1}]"
    return text + "\n".join(lines + [f"  connect \\shift_o {before}"] + cell + ["  end", "end", ""])


def place(out, options):
    """Runs nextpnr; its log goes to OUT.nextpnr.log. Ends it if its router gets no further. Returns its report."""
    least, since = None, 0
    with open(out + ".nextpnr.log", "w") as log, \
            subprocess.Popen([modules.tool("nextpnr-ecp5"), "--report", out + ".report.json", *options],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as nextpnr:
        for line in nextpnr.stdout:
            log.write(line)
            log.flush()
            if found := re.search(r"iter=\d+ .*overused=(\d+)", line):
                overused = int(found[1])
                least, since = (overused, 0) if least is None or overused < least else (least, since + 1)
            if since == STALLED:
                nextpnr.terminate()
                sys.exit(f"{STALLED} iterations of nextpnr's router leave {least} wires overused: another seed, or a smaller machine "
                         f"(docs/board.md). The log is {out}.nextpnr.log")
    if nextpnr.returncode:
        sys.exit(f"nextpnr ended with status {nextpnr.returncode}: the last lines of {out}.nextpnr.log say why")
    with open(out + ".report.json") as read:
        return json.load(read)


def summary(report, seconds):
    """Lines of Markdown from nextpnr's report: resources, each clock's Fmax, and the slowest path."""
    lines = ["| | used | of |", "| --- | ---: | ---: |"]
    for cell, what in USED.items():
        used = report["utilization"].get(cell, {"used": 0, "available": 0})
        lines.append(f"| {what} | {used['used']:,} | {used['available']:,} |")
    lines += ["", "| clock | Fmax, MHz |", "| --- | ---: |"]
    lines += [f"| {clock.removeprefix('$glbnet$')} | {f['achieved']:.1f} |" for clock, f in sorted(report["fmax"].items())]
    path = fmax.critical(report)
    lines += ["", f"Slowest path: {path['logic']:.1f} ns of logic and {path['routing']:.1f} of routing, {path['cells']}: "
              + " > ".join(path["nets"]), "", f"Placed and routed in {seconds / 60:.0f} minutes."]
    return lines


def main():
    settings = [a for a in sys.argv[1:] if "=" in a]
    seed = ([a for a in sys.argv[1:] if "=" not in a] + ["1"])[0]
    top = ([s[4:] for s in settings if s.startswith("Top=")] + ["gpt2_top"])[0]
    os.makedirs(OUT, exist_ok=True)
    machine = modules.Machine(settings)
    name = next(n for n in machine.instances if modules.base(n) == top)
    with open(f"{OUT}/machine.il", "w") as out:
        out.write(ring(machine.tree(name)[0]))
    print(f"{top} {' '.join(settings)}: Yosys, {OUT}/yosys.log", flush=True)
    modules.child(fmax.__file__, f"{OUT}/machine.il", f"{OUT}/netlist.json", log=f"{OUT}/yosys.log")
    print(f"nextpnr, {OUT}/machine.nextpnr.log", flush=True)
    begin = time.time()
    report = place(f"{OUT}/machine", ["--json", f"{OUT}/netlist.json", "--seed", seed, *PLACE.split()])
    lines = summary(report, time.time() - begin)
    with open(f"{OUT}/report.md", "w") as out:
        out.write("\n".join([f"{top} {' '.join(settings)}, seed {seed}", "", *lines, ""]))
    print("\n".join(lines))


if __name__ == "__main__":
    modules.start(main)
