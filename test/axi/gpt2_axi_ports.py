# SPDX-License-Identifier: Apache-2.0
"""Writes the top of the cocotb tests: gpt2_axi with a prefix for each port, m0_axi_ and so on, and the ID signals that
cocotbext-axi asks for, and without the suffixes _i and _o.

    gpt2_axi_ports.py PORTS PORT_BITS LANES POSITIONS > gpt2_axi_ports.sv
"""

import sys

PORT = [  # name, width, output
    ("arvalid", 1, 1), ("arready", 1, 0), ("araddr", 64, 1), ("arlen", 8, 1), ("arsize", 3, 1), ("arburst", 2, 1),
    ("arcache", 4, 1), ("arprot", 3, 1), ("rvalid", 1, 0), ("rready", 1, 1), ("rdata", "PortBits", 0), ("rresp", 2, 0),
    ("rlast", 1, 0), ("awvalid", 1, 1), ("awready", 1, 0), ("awaddr", 64, 1), ("awlen", 8, 1), ("awsize", 3, 1),
    ("awburst", 2, 1), ("awcache", 4, 1), ("awprot", 3, 1), ("wvalid", 1, 1), ("wready", 1, 0), ("wdata", "PortBits", 1),
    ("wstrb", "PortBits/8", 1), ("wlast", 1, 1), ("bvalid", 1, 0), ("bready", 1, 1), ("bresp", 2, 0)]
IDS = [("arid", 1), ("rid", 0), ("awid", 1), ("bid", 0)]
HOST = [
    ("clk", 1, 0), ("rst_n", 1, 0), ("irq", 1, 1), ("s_axil_awvalid", 1, 0), ("s_axil_awready", 1, 1),
    ("s_axil_awaddr", 12, 0), ("s_axil_awprot", 3, 0), ("s_axil_wvalid", 1, 0), ("s_axil_wready", 1, 1),
    ("s_axil_wdata", 32, 0), ("s_axil_wstrb", 4, 0), ("s_axil_bvalid", 1, 1), ("s_axil_bready", 1, 0),
    ("s_axil_bresp", 2, 1), ("s_axil_arvalid", 1, 0), ("s_axil_arready", 1, 1), ("s_axil_araddr", 12, 0),
    ("s_axil_arprot", 3, 0), ("s_axil_rvalid", 1, 1), ("s_axil_rready", 1, 0), ("s_axil_rdata", 32, 1),
    ("s_axil_rresp", 2, 1), ("s_prompt_tvalid", 1, 0), ("s_prompt_tready", 1, 1), ("s_prompt_tdata", 32, 0),
    ("s_prompt_tlast", 1, 0), ("m_token_tvalid", 1, 1), ("m_token_tready", 1, 0), ("m_token_tdata", 32, 1),
    ("m_token_tkeep", 4, 1), ("m_token_tlast", 1, 1), ("m_logits_tvalid", 1, 1), ("m_logits_tready", 1, 0),
    ("m_logits_tdata", "Lanes/2", 1), ("m_logits_tkeep", "Lanes/16", 1), ("m_logits_tlast", 1, 1)]


def main():
    ports, port_bits, lanes, positions = map(int, sys.argv[1:])
    suffix = ("_i", "_o")
    outer, pins, body = [], [".test_en_i(1'b0)"], []
    for name, width, out in HOST:
        outer.append(f"  {'output' if out else 'input '} logic [{width}-1:0] {name}")
        inner = {"rst_n": "rst_ni"}.get(name, name + suffix[out])
        pins.append(f".{inner}({name})")
    for name, width, out in PORT:
        body.append(f"  logic [{ports}-1:0][{width}-1:0] {name};")
        pins.append(f".m_axi_{name}{suffix[out]}({name})")
        for p in range(ports):
            outer.append(f"  {'output' if out else 'input '} logic [{width}-1:0] m{p}_axi_{name}")
            left, right = f"m{p}_axi_{name}", f"{name}[{p}]"
            body.append(f"  assign {left} = {right};" if out else f"  assign {right} = {left};")
    for name, out in IDS:
        for p in range(ports):
            outer.append(f"  {'output' if out else 'input '} logic m{p}_axi_{name}")
            if out:
                body.append(f"  assign m{p}_axi_{name} = 1'b0;")
    print(f"module gpt2_axi_ports #(parameter PortBits = {port_bits}, Lanes = {lanes}) (\n" + ",\n".join(outer) + "\n);")
    print("\n".join(body))
    print(f"  gpt2_axi #(.Lanes({lanes}), .MaxHeads(2), .MaxCtx(64), .NormWidth(4), .Watchdog(8192), .LogitsStream(1'b1), .Ports({ports}),")
    print(f"             .PortBits({port_bits}), .Positions({positions})) u_axi (\n    " + ",\n    ".join(pins) + "\n  );\nendmodule")


main()
