# SPDX-License-Identifier: Apache-2.0
"""Writes gpt2_top or gpt2_axi as one plain Verilog-2005 file, for tools that do not read SystemVerilog.

    build/venv/bin/python syn/verilog.py OUTPUT TOP NAME=VALUE...      (make verilog; NAME: a parameter of the top)

Yosys reads rtl/ with the slang front end, lowers processes and keeps memories, multipliers and adders as they are; structs
become vectors, most significant field first. What follows is for event-driven simulators: nets are cut where their drivers
end, and sums of many terms become one balanced expression.
"""

import collections
import glob
import os
import re
import sys

SIGNAL = r"(_\d+_|\\\S+ )"


PACKAGES = ["rtl/base/gpt2_pkg.sv", "rtl/base/gpt2_tables_pkg.sv", "rtl/wrap/gpt2_csr_pkg.sv"]


def sources():
    """The hardware's files, packages first."""
    return PACKAGES + sorted(f for f in glob.glob("rtl/*/*.sv") if not f.endswith("_pkg.sv"))


def netlist(path, top, parameters):
    from pyosys import libyosys as ys
    given = " ".join(f"-G {p}" for p in parameters)
    design = ys.Design()
    for command in (
        f"read_slang -j 1 -I rtl/base -D SYNTHESIS --top {top} {given} " + " ".join(sources()),
        f"hierarchy -check -top {top}", "proc", "opt", "memory_collect", "bwmuxmap", "demuxmap", "techmap -map syn/bmux.v",
        "setundef -zero", "opt_clean",
        # the sign of terms as wide as their sum does not matter
        "setparam -set A_SIGNED 0 -set B_SIGNED 0 t:$add r:A_WIDTH=32 %i r:B_WIDTH=32 %i r:Y_WIDTH=32 %i", "splitnets -driver", "opt_clean -purge", "check -assert", f"write_verilog -noattr {path}",
    ):
        ys.run_pass(command, design)


def balance(text):
    """Turns chains of two-term sums whose terms have no other reader into one bracketed sum: log n levels instead of n."""
    add = re.compile(rf"^  assign {SIGNAL} = {SIGNAL} \+ {SIGNAL};\n", re.M)
    terms = {m[1].strip(): (m[2].strip(), m[3].strip()) for m in add.finditer(text)}
    uses = collections.Counter(re.findall(r"_\d+_|\\\S+", text))
    inner = {x for pair in terms.values() for x in pair if x in terms and uses[x] == 3}     # declared, assigned, read

    def leaves(name):
        found, stack = [], [name]
        while stack:
            x = stack.pop()
            if x == name or x in inner:
                stack += reversed(terms[x])
            else:
                found.append(x)
        return found

    def tree(names):
        half = len(names) // 2
        return names[0] + " " if len(names) == 1 else f"({tree(names[:half])}+ {tree(names[half:])})"

    def rewrite(m):
        name = m[1].strip()
        if name in inner:
            return ""
        return f"  assign {m[1]} = {tree(leaves(name))};\n"

    text = add.sub(rewrite, text)
    declared = re.compile(rf"^  wire (?:\[\d+:0\] )?{SIGNAL};\n", re.M)
    return declared.sub(lambda m: "" if m[1].strip() in inner else m[0], text)


def garbage(text):
    """Memories start with garbage if FOUR_STATE is defined: garbage times zero is zero, X times zero is X."""
    lines = ["`ifdef FOUR_STATE", "  integer garbage;", "  initial begin"]
    for width, name, last in re.findall(r"^  reg (?:\[(\d+):0\] )?(\S+) +\[(\d+):0\];$", text, re.M):
        words = int(width or 0) // 32 + 1
        if f"    {name} [0] = " not in text and f"    {name}[0] = " not in text:
            lines.append(f"    for (garbage = 0; garbage <= {last}; garbage = garbage + 1) "
                         f"{name} [garbage] = {{{words}{{32'hdeadbeef}}}};")
    end = text.rindex("endmodule")
    return text[:end] + "\n".join(lines + ["  end", "`endif", ""]) + text[end:]


def main():
    path, top, parameters = sys.argv[1], sys.argv[2], sys.argv[3:]
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    netlist(path + ".raw", top, parameters)
    with open(path + ".raw") as raw:
        text = garbage(balance(raw.read()))
    with open(path + ".new", "w") as out:
        out.write(f"// {top}, {' '.join(parameters)}: written by `make verilog` of gpt2rtl from rtl/, Apache-2.0\n" + text)
    os.remove(path + ".raw")
    os.rename(path + ".new", path)


if __name__ == "__main__":
    main()
