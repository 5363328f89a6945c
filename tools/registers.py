# SPDX-License-Identifier: Apache-2.0
"""Writes what is made of rtl/wrap/gpt2_csr.rdl below a folder (make registers: the repository itself).

    build/venv/bin/python tools/registers.py FOLDER [--html]

    rtl/wrap/gpt2_csr.sv, gpt2_csr_pkg.sv   the registers, by PeakRDL-regblock
    driver/gpt2_csr.h                       offsets, masks and positions for C, by PeakRDL-cheader
    docs/registers.md                       the map for people
    build/registers/                        the map as HTML, by PeakRDL-html (--html)

PeakRDL is under the LGPL 3.0. Its documentation says that this is for the generator: "Any code that is generated using
PeakRDL-regblock is 100% yours". So what it writes has this project's licence.
"""

import os
import subprocess
import sys

from systemrdl import RDLCompiler

RDL = "rtl/wrap/gpt2_csr.rdl"
SPDX = "SPDX-License-Identifier: Apache-2.0\n"


def peakrdl(*arguments):
    subprocess.run([sys.executable, "-m", "peakrdl", *arguments], check=True)


def edit(path, change):
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write("\n".join(line.rstrip() for line in change(text).split("\n")))


def access(field):
    sw = field.get_property("sw").name
    if field.get_property("woclr"):
        return "read, write 1 to clear"
    if field.get_property("singlepulse"):
        return "write 1"
    return {"r": "read", "w": "write", "rw": "read, write"}[sw]


def one_line(text):
    return " ".join((text or "").split())


def markdown(top, path):
    out = [f"<!-- {SPDX.strip()} -->", "<!-- Written by `make registers` from " + RDL + ": edit that. -->", "# Registers of gpt2_axi", ""]
    out += [one_line(top.get_property("desc")), "", "| offset | register | |", "| --- | --- | --- |"]
    registers = list(top.registers())
    for r in registers:
        out.append(f"| 0x{r.absolute_address:03x} | [{r.inst_name}](#{r.inst_name.lower()}) | {r.get_property('name')} |")
    for r in registers:
        out += ["", f"## {r.inst_name}", "", f"0x{r.absolute_address:03x}: {r.get_property('name').lower()}. " + one_line(r.get_property("desc", default="")), ""]
        out += ["| bits | field | access | after reset | |", "| --- | --- | --- | --- | --- |"]
        for f in sorted(r.fields(), key=lambda f: -f.low):
            bits = str(f.low) if f.low == f.high else f"{f.high}:{f.low}"
            reset = f.get_property("reset")
            shown = "" if reset is None or access(f) in ("write", "write 1") else f"0x{reset:x}" if reset > 9 else str(reset)
            out.append(f"| {bits} | `{f.inst_name}` | {access(f)} | {shown} | {one_line(f.get_property('desc', default=''))} |")
            encode = f.get_property("encode")
            if encode:
                after = [f"| {e.value} | `{e.name}` | {one_line(e.rdl_desc)} |" for e in encode]
                tail = ["", f"`{f.inst_name}`:", "", "| value | name | |", "| --- | --- | --- |"] + after
        if any(f.get_property("encode") for f in r.fields()):
            out += tail
    with open(path, "w") as f:
        f.write("\n".join(line.rstrip() for line in out) + "\n")


def main():
    folder = sys.argv[1]
    for sub in ("rtl/wrap", "driver", "docs"):
        os.makedirs(f"{folder}/{sub}", exist_ok=True)
    peakrdl("regblock", RDL, "-o", f"{folder}/rtl/wrap", "--module-name", "gpt2_csr", "--cpuif", "axi4-lite-flat",
            "--default-reset", "rst_n", "--addr-width", "12", "--err-if-bad-addr", "--err-if-bad-rw")
    for name in ("gpt2_csr.sv", "gpt2_csr_pkg.sv"):
        edit(f"{folder}/rtl/wrap/{name}", lambda text: "// " + SPDX + text)
    # A freestanding C has no assert.h.
    header = f"{folder}/driver/gpt2_csr.h"
    peakrdl("c-header", RDL, "-o", header)
    edit(header, lambda text: "// " + SPDX + text.replace("#include <assert.h>\n", "").replace("static_assert(", "_Static_assert("))
    rdl = RDLCompiler()
    rdl.compile_file(RDL)
    markdown(rdl.elaborate().top, f"{folder}/docs/registers.md")
    if "--html" in sys.argv:
        peakrdl("html", RDL, "-o", f"{folder}/build/registers")


if __name__ == "__main__":
    main()
