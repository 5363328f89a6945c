# SPDX-License-Identifier: Apache-2.0
"""Area of the whole machine by module: Yosys for ECP5 and UltraScale+, hierarchy kept.

    build/venv/bin/python syn/area.py Lanes=64 MaxHeads=12 MaxCtx=1024 NormWidth=64      (make synth LANES=64)

Prints a table, and puts it into docs/area.md between the lines that name these parameters, if it has such. Both families are mapped at
the same time, in processes of their own.
"""

import glob
import json
import os
import re
import subprocess
import sys
import time

FAMILIES = {"ECP5": "synth_ecp5 -top gpt2_top -noflatten", "UltraScale+": "synth_xilinx -family xcup -top gpt2_top -noiopad -noclkbuf"}
PAGE = "docs/area.md"


def child(family, given, path):
    import pyosys
    from pyosys import libyosys as ys
    # Yosys 0.70 gives single-port LUT memory of UltraScale+ 16 address bits where its own map, like the device, has 9.
    lutrams = os.path.join(os.path.dirname(pyosys.__file__), "share/xilinx/lutrams_xcu.txt")
    text = open(lutrams).read()
    if "abits 16;" in text:
        open(lutrams, "w").write(text.replace('"ABITS" 16', '"ABITS" 9').replace("abits 16;", "abits 9;"))
    files = ["rtl/gpt2_pkg.sv", "build/gen/gpt2_tables_pkg.sv"] + [f for f in sorted(glob.glob("rtl/*.sv")) if not f.endswith("_pkg.sv")]
    design = ys.Design()
    for command in (f"read_slang --keep-hierarchy -j 1 -D SYNTHESIS --top gpt2_top {given} " + " ".join(files), FAMILIES[family],
                    f"tee -q -o {path} stat -json -hierarchy"):
        ys.run_pass(command, design)


def count(cells, pattern):
    return sum(n for name, n in cells.items() if re.fullmatch(pattern, name))


def resources(family, cells):
    """LUT, flip-flops, BRAM, DSP, and how many of the LUTs are memory."""
    if family == "ECP5":
        memory = 4 * count(cells, "TRELLIS_DPR16X4")
        return [count(cells, "LUT4") + 2 * count(cells, "CCU2C") + memory, count(cells, "TRELLIS_FF"), count(cells, "DP16KD|PDPW16KD"),
                count(cells, "MULT18X18D"), memory]
    memory = 8 * count(cells, "RAM(32|64)M8|RAM32M16") + 4 * count(cells, "RAM(32|64)M") + 2 * count(cells, "RAM(32|64)X1D")
    return [count(cells, "LUT[1-6]") + memory, count(cells, "FD[RSCP]E"), count(cells, "RAMB36E2") + count(cells, "RAMB18E2") / 2,
            count(cells, "DSP48E2"), memory]


def number(value):
    return int(float(value["local_count"] if isinstance(value, dict) else value))


def modules(family, path):
    """Resources of each module without those below it, instances of one module added up."""
    table = {}
    for name, module in json.load(open(path))["modules"].items():
        if "gpt2_top" not in name:
            continue
        cells = {cell: number(n) for cell, n in module.get("num_cells_by_type", {}).items()}
        own = resources(family, cells)
        name = name.lstrip("\\").split("$")[0]
        table[name] = [a + b for a, b in zip(own, table.get(name, [0] * 5))]
    return table


def render(tables):
    """Lines of Markdown: a row a module, the largest first, and the total."""
    lines = ["| module | " + " | ".join(f"{f}: LUT | FF | BRAM | DSP | LUT as memory" for f in tables) + " |",
             "| --- |" + " ---: |" * (5 * len(tables))]
    first = next(iter(tables.values()))
    for module in sorted(first, key=lambda m: -first[m][0]):
        row = [n for table in tables.values() for n in table.get(module, [0] * 5)]
        if any(row):
            lines.append(f"| {module} | " + " | ".join(map(cell, row)) + " |")
    total = [sum(column) for table in tables.values() for column in zip(*table.values())]
    return lines + ["| **total** | " + " | ".join(map(cell, total)) + " |"]


def cell(number):
    return f"{number:,.1f}".removesuffix(".0")


def main():
    given = " ".join("-G " + setting for setting in sys.argv[1:])
    name = "_".join(setting.split("=")[1] for setting in sys.argv[1:])
    os.makedirs("build/synth", exist_ok=True)
    begin, running = time.time(), {}
    for family in FAMILIES:
        path = f"build/synth/area_{family[:4]}_{name}"
        log = open(path + ".log", "w")
        running[family] = path, subprocess.Popen([sys.executable, __file__, "--child", family, given, path + ".json"], stdout=log, stderr=log)
    tables = {}
    for family, (path, process) in running.items():
        if process.wait() != 0:
            sys.exit(f"synthesis for {family} failed: see {path}.log")
        tables[family] = modules(family, path + ".json")
    lines = render(tables)
    print("\n".join(lines))
    print(f"{given.replace('-G ', '')}: {time.time() - begin:.0f} s", file=sys.stderr)
    marks = f"<!-- make synth {' '.join(sys.argv[1:])} -->", "<!-- end -->"
    page = open(PAGE).read() if os.path.exists(PAGE) else ""
    if marks[0] in page:
        head, rest = page.split(marks[0], 1)
        open(PAGE + ".new", "w").write(head + marks[0] + "\n" + "\n".join(lines) + "\n" + marks[1] + rest.split(marks[1], 1)[1])
        os.replace(PAGE + ".new", PAGE)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:5])
    elif len(sys.argv) < 2:
        sys.exit(__doc__)
    else:
        main()
