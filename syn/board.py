# SPDX-License-Identifier: Apache-2.0
"""A board's bitstream: LiteX's system and gpt2_axi through Yosys, nextpnr and ecppack.

    build/venv/bin/python syn/board.py BOARD [SEED]      (make board BOARD=ulx3s)

boards/soc.py has written BOARD.v, BOARD.lpf (pins and clocks) and BOARD.params (gpt2_axi's parameters) to
build/board/synth/BOARD. Yosys reads gpt2_axi with the slang front end, the rest as Verilog, and flattens it all. Writes
build/board/BOARD.bit, and build/board/BOARD.md: LUT, flip-flops, block RAM, DSP, each clock's Fmax, the slowest path. With
netlist as SEED it stops after Yosys, and writes gpt2_axi alone, mapped to the device's cells in the same way, as Verilog:
build/board/BOARD_netlist.v, which test/netlist.sh simulates.
"""

import os
import re
import subprocess
import sys
import time

import modules
import route
import verilog


def sources(folder, board):
    """Yosys commands that read gpt2_axi with the board's parameters."""
    with open(f"{folder}/{board}.params") as read:
        given = " ".join(f"-G {p}" for p in read.read().split())
    return f"read_slang -j 1 -I rtl/base -D SYNTHESIS --top gpt2_axi {given} " + " ".join(verilog.sources())


def child(board, folder, netlist, log_netlist):
    from pyosys import libyosys as ys
    design = ys.Design()
    steps = [sources(folder, board)]
    if log_netlist == "system":
        steps += [f"read_verilog {folder}/{board}.v", "attrmap -tocase keep -imap keep=\"true\" keep=1 -imap keep=\"false\" keep=0 -remove keep=0",
                  f"{route.SYNTHESIS.replace('ring', board)} -json {netlist}"]
    else:
        # LUTs, carries, multiplexers and flip-flops become what Yosys' own models say; syn/ecp5_cells.v has the others.
        steps += [route.SYNTHESIS.replace("ring", "gpt2_axi"), "techmap -autoproc -map +/ecp5/cells_sim.v t:* t:DP16KD t:MULT18X18D t:TRELLIS_DPR16X4 %u %u %d",
                  "opt_clean", "stat", f"write_verilog -noattr {netlist}"]
    for step in steps:
        ys.run_pass(step, design)


def options(folder, board):
    """nextpnr's options for the device, as LiteX wrote them: --85k --package ... --speed 6"""
    with open(f"{folder}/build_{board}.sh") as read:
        line = next(line for line in read if line.startswith("nextpnr-ecp5"))
    return re.search(r"--(?:um5g-)?\d+k --package \S+ --speed \d", line)[0].split()


def main():
    board, seed = sys.argv[1], (sys.argv[2:] + ["1"])[0]
    folder, out = f"build/board/synth/{board}", f"build/board/{board}"
    if seed == "netlist":
        modules.child(__file__, board, folder, out + "_netlist.v.new", "alone", log=out + "_netlist.log")
        os.rename(out + "_netlist.v.new", out + "_netlist.v")
        return
    print(f"Yosys, {out}.yosys.log", flush=True)
    modules.child(__file__, board, folder, out + ".json", "system", log=out + ".yosys.log")
    print(f"nextpnr, {out}.nextpnr.log", flush=True)
    begin = time.time()
    report = route.place(out, ["--json", out + ".json", "--lpf", f"{folder}/{board}.lpf", "--textcfg", out + ".config", "--timing-allow-fail", "--router", "router2",
                               "--seed", seed, *options(folder, board)])
    lines = route.summary(report, time.time() - begin)
    subprocess.run([modules.tool("ecppack"), "--compress", out + ".config", "--bit", out + ".bit.new"], check=True)
    os.rename(out + ".bit.new", out + ".bit")
    with open(out + ".md", "w") as page:
        page.write("\n".join([f"{board}, seed {seed}", "", *lines, ""]))
    print("\n".join([*lines, "", f"{out}.bit: this bitstream has not run on a board yet (docs/board.md)"]))


if __name__ == "__main__":
    modules.start(main, child)
