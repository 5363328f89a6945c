# SPDX-License-Identifier: Apache-2.0
"""Fmax of single modules on ECP5: Yosys, then nextpnr places and routes each alone, between registers.

    build/venv/bin/python syn/fmax.py PARAMETER=VALUE... [MODULE...]      (make fmax LANES=64 MODULES="rescale softmax")

The parameters are gpt2_top's. A module is taken with the modules below it, as it is in that machine, and flattened. Every
port but the clock gets a register. So the logic before a module's first register and after its last is timed, but a path
through several modules is not. Prints one row of Markdown per module: Fmax in MHz, LUTs, and the critical path (logic,
routing, cells, and the nets that have a name in the source). Without MODULE all modules are taken, and the table, the
slowest first, goes into docs/area.md if that names these parameters (modules.into_page). A module gets LIMIT seconds (900)
of one core to be placed and routed. Results are kept until the module changes: syn/modules.py.
"""

import json
import os
import re
import resource
import signal
import subprocess
import sys

import modules

CELLS = {"MULT18X18D": "multiplier", "CCU2": "carry", "DP16KD": "block RAM", "DPR16X4": "LUT memory"}
LIMIT = int(os.environ.get("LIMIT", 900))
PAGE = "docs/area.md"
SYNTHESIS = "synth_ecp5 -nowidelut -top ring"
PLACE = "--85k --package CABGA756 --speed 6 --out-of-context --freq 200 --timing-allow-fail --seed 1"


def ring(text):
    """The module within registers, as \\ring."""
    at = [m.start() for m in re.finditer(r"^module ", text, re.M)][-1]
    name = re.match(r"module (\S+)", text[at:])[1]
    lines, cell = ["module \\ring"], [f"  cell {name} \\u"]
    for line in re.findall(r"^  wire .*\b(?:input|output) \d+ .*", text[at:], re.M):
        width, way, port = re.match(r"  wire (?:width (\d+) )?.*?(input|output) \d+ (\S+)$", line).groups()
        width = int(width or 1)
        lines.append(line)
        if port == "\\clk_i":
            cell.append("    connect \\clk_i \\clk_i")
            continue
        d, q = (port, port + "_ring") if way == "input" else (port + "_ring", port)
        lines.append(f"  wire width {width} {port}_ring")
        lines += [f"  cell $dff {port}_register", "    parameter \\CLK_POLARITY 1", f"    parameter \\WIDTH {width}",
                  "    connect \\CLK \\clk_i", f"    connect \\D {d}", f"    connect \\Q {q}", "  end"]
        cell.append(f"    connect {port} {port}_ring")
    return text + "\n".join(lines + cell + ["  end", "end", ""])


def child(source, path):
    from pyosys import libyosys as ys
    design = ys.Design()
    for step in (f"read_rtlil {source}", f"{SYNTHESIS} -json {path}"):
        ys.run_pass(step, design)


def short(net):
    """The source's name for a net, "" if nextpnr or Yosys made it."""
    net = net.split("$")[0].removeprefix("u.")
    return re.sub(r"_(?:LUT4|CCU2C|TRELLIS|MULT18X18D|DP16KD|DPR16X4)_.*|_?\[\d+\]$|_ring.*", "", net)


def critical(report):
    """The slowest path between registers: ns of logic and of routing, its cells, and the source's nets along it."""
    paths = [p for p in report["critical_paths"] if p["from"].startswith("posedge") and p["to"].startswith("posedge")]
    path = max(paths, key=lambda p: sum(step["delay"] for step in p["path"]))["path"]
    routing = sum(step["delay"] for step in path if step["type"] == "routing")
    nets = [net for step in path if step["type"] == "routing" and (net := short(step["net"]))]
    passed = [next((what for sign, what in CELLS.items() if re.search(sign, step["to"]["cell"])), "LUT") for step in path if step["type"] == "logic"]
    return {"logic": sum(step["delay"] for step in path) - routing, "routing": routing,
            "cells": ", ".join(f"{passed.count(what)} {what}" for what in dict.fromkeys(passed)),
            "nets": [a for a, b in zip(nets, [None] + nets) if a and a != b]}


def place(machine, name):
    """A module's Fmax and size: the kept ones, or placed now."""
    tree, key = machine.tree(name)
    text = ring(tree)
    kept = f"{modules.KEPT}/fmax_{modules.digest(key, SYNTHESIS, PLACE, modules.VERSION)}"
    if os.path.exists(kept + ".json"):
        found = json.load(open(kept + ".json"))
        if "mhz" in found or found["limit"] >= LIMIT:
            return found
    with open(kept + ".il", "w") as source:
        source.write(text)
    modules.child(__file__, kept + ".il", kept + ".netlist", log=kept + ".log")
    found = {"limit": LIMIT}
    with open(kept + ".place", "w") as log:
        run = subprocess.run([modules.tool("nextpnr-ecp5"), "--json", kept + ".netlist", "--report", kept + ".report", *PLACE.split()],
                             stdout=log, stderr=log, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 10)))
    if run.returncode == 0:
        report = json.load(open(kept + ".report"))
        found |= {"mhz": min(f["achieved"] for f in report["fmax"].values()), "lut": report["utilization"]["TRELLIS_COMB"]["used"],
                  "path": critical(report)}
    elif run.returncode not in (-signal.SIGXCPU, -signal.SIGKILL):
        return {"error": kept + ".place"}
    with open(kept + ".new", "w") as out:
        json.dump(found, out)
    os.rename(kept + ".new", kept + ".json")
    os.remove(kept + ".il")
    os.remove(kept + ".netlist")
    return found


def row(module, found):
    if "mhz" not in found:
        return f"| {module} | " + (found.get("error") or f"not placed in {found['limit'] / 60:.0f} minutes") + " | | |"
    path = found["path"]
    return (f"| {module} | {found['mhz']:.0f} | {found['lut']:,} | "
            f"{path['logic']:.1f} + {path['routing']:.1f} ns, {path['cells']}: {' > '.join(path['nets'])} |")


def main():
    settings = [a for a in sys.argv[1:] if "=" in a]
    machine = modules.Machine(settings)
    wanted = [a for a in sys.argv[1:] if "=" not in a]
    jobs = {}
    for name in machine.instances:
        module = modules.base(name)
        if module in wanted or not wanted and module not in ("gpt2_top", "gpt2_core", "transformer_block", "clock_gate"):
            jobs.setdefault((module, machine.tree(name)[1]), name)
    head = ["| module | Fmax, MHz | LUT | critical path |", "| --- | ---: | ---: | --- |"]
    print("\n".join(head), flush=True)

    def work(job):
        found = place(machine, jobs[job])
        print(row(job[0], found), flush=True)
        return found

    order = {module: len(wanted) - i for i, module in enumerate(wanted)}
    found = modules.in_parallel(work, jobs, lambda job: order.get(job[0], len(machine.tree(jobs[job])[0])))
    if not wanted:
        found = [pair for pair in found if pair[1].get("path", {}).get("cells") != ""]     # "": only wires
        found.sort(key=lambda pair: pair[1].get("mhz", 0))
        modules.into_page(PAGE, f"make fmax {' '.join(settings)}", head + [row(job[0], f) for job, f in found])


if __name__ == "__main__":
    modules.start(main, child)
