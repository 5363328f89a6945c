# SPDX-License-Identifier: Apache-2.0
"""Area of the whole machine by module: Yosys for ECP5 and UltraScale+, hierarchy kept.

    build/venv/bin/python syn/area.py Lanes=64 MaxHeads=12 MaxCtx=1024 NormWidth=64      (make synth LANES=64)

Top=axi_memory takes that module instead of gpt2_top. Prints a table, and writes it into docs/area.md if that names these parameters (modules.into_page). Each module is
mapped alone, with the modules inside it as black boxes, on all cores (JOBS). Results are kept until the module
changes: syn/modules.py.
"""

import collections
import json
import os
import re
import sys
import time

import modules

FAMILIES = {"ECP5": "synth_ecp5 -run :check -nowidelut -noflatten -top {}",
            "UltraScale+": "synth_xilinx -run :check -family xcup -noiopad -noclkbuf -top {}"}
# UltraScale+'s memories and shift registers, and the LUTs that each takes
LUT_MEMORY = {"RAM(32|64)M8|RAM32M16|RAM256X1D|RAM512X1S": 8, "RAM(32|64)M|RAM128X1D|RAM256X1S": 4, "RAM(32|64)X1D|RAM128X1S": 2,
              "RAM(32|64)X1S|SRL16E|SRLC(16|32)E": 1}
PAGE = "docs/area.md"


def child(command, source, top, path):
    from pyosys import libyosys as ys
    design = ys.Design()
    for step in (f"read_rtlil {source}", command.format(top), f"tee -q -o {path} stat -json"):
        ys.run_pass(step, design)


def count(cells, pattern):
    return sum(n for name, n in cells.items() if re.fullmatch(pattern, name))


def resources(family, cells):
    """LUTs, flip-flops, BRAM, DSPs, and how many of the LUTs are memory."""
    if family == "ECP5":
        memory = 4 * count(cells, "TRELLIS_DPR16X4")
        return [count(cells, "LUT4") + 2 * count(cells, "CCU2C") + memory, count(cells, "TRELLIS_FF"), count(cells, "DP16KD|PDPW16KD"),
                count(cells, "MULT18X18D"), memory]
    memory = sum(luts * count(cells, pattern) for pattern, luts in LUT_MEMORY.items())
    return [count(cells, "LUT[1-6]|INV") + memory, count(cells, "FD[RSCP]E"), count(cells, "RAMB36E2") + count(cells, "RAMB18E2") / 2,
            count(cells, "DSP48E2"), memory]


def cells(family, name, text, key):
    """Cells of a module by type: the kept ones, or mapped now."""
    kept = f"{modules.KEPT}/area_{modules.digest(key, FAMILIES[family], modules.VERSION)}"
    if not os.path.exists(kept + ".json"):
        with open(kept + ".il", "w") as source:
            source.write(text)
        seconds = modules.child(__file__, FAMILIES[family], kept + ".il", name, kept + ".stat", log=kept + ".log")
        print(f"{name}, {family}: {seconds:.0f} s", file=sys.stderr, flush=True)
        by_type = json.load(open(kept + ".stat"))["modules"]["\\" + name]["num_cells_by_type"]
        with open(kept + ".new", "w") as out:
            json.dump(by_type, out)
        os.rename(kept + ".new", kept + ".json")
        os.remove(kept + ".il")
    return json.load(open(kept + ".json"))


def tables(machine):
    """By family and module: resources without those of the modules inside it, summed over the instances of a module."""
    jobs, instances = {}, collections.Counter()
    for name in machine.instances:
        text, key = machine.alone(name)
        instances[key] += 1
        for family in FAMILIES:
            jobs[family, modules.base(name), key] = text
    found = modules.in_parallel(lambda job: cells(job[0], job[1], jobs[job], job[2]), jobs, lambda job: len(jobs[job]))
    table = {family: collections.defaultdict(lambda: [0] * 5) for family in FAMILIES}
    for (family, name, key), by_type in found:
        row = table[family][name]
        table[family][name] = [a + instances[key] * b for a, b in zip(row, resources(family, by_type))]
    return table


def render(table):
    """Lines of Markdown: one row per module, the largest first, and the total."""
    lines = ["| module | " + " | ".join(f"{f}: LUT | FF | BRAM | DSP | LUT as memory" for f in table) + " |",
             "| --- |" + " ---: |" * (5 * len(table))]
    first = next(iter(table.values()))
    for module in sorted(first, key=lambda m: -first[m][0]):
        row = [n for rows in table.values() for n in rows[module]]
        if any(row):
            lines.append(f"| {module} | " + " | ".join(map(figure, row)) + " |")
    total = [sum(column) for rows in table.values() for column in zip(*rows.values())]
    return lines + ["| **total** | " + " | ".join(map(figure, total)) + " |"]


def figure(number):
    return f"{number:,.1f}".removesuffix(".0")


def main():
    begin = time.time()
    modules.correct_lutrams()
    lines = render(tables(modules.Machine(sys.argv[1:])))
    print("\n".join(lines))
    print(f"{' '.join(sys.argv[1:])}: {time.time() - begin:.0f} s", file=sys.stderr)
    modules.into_page(PAGE, f"make synth {' '.join(sys.argv[1:])}", lines)


if __name__ == "__main__":
    modules.start(main, child)
