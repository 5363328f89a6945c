# SPDX-License-Identifier: Apache-2.0
"""What every board has: gpt2_axi on LiteDRAM, the host's way to both, and a description of all that for the host.

    build/venv/bin/python boards/soc.py BOARD sim|synth OUTPUT_FOLDER

BOARD is a file beside this one, which says what its memory and its clock are (boards/ulx3s.py). sim writes the same system
with LiteDRAM's model of the memory in place of the chip, and bytes in place of the UART's bits, for boards/board_sim.c.
Written are BOARD.v, which instantiates gpt2_axi; BOARD.params, gpt2_axi's parameters as NAME=VALUE; and for sim BOARD.vlt,
which shows the banks of the memory to boards/board_sim.c, and BOARD.page: the bytes of a
row in a bank, of a word of the model, and in how many of its words one is used.

The bus is LiteX's: 32 bits, Wishbone. No processor is on it. Its manager is the host, by uartbone. On the bus are
    0xf0000000  the description: a ROM of 32-bit words, below
    0x40000000  the memory, which gpt2_axi sees at the same addresses
    0x80000000  gpt2_axi's registers
    0x00000000  registers of LiteDRAM, MemoryCheck and Mark; the description has their addresses
"""

import importlib
import os
import sys

from litedram.common import LiteDRAMNativePort, PhySettings
from litedram.frontend.axi import LiteDRAMAXI2Native
from litedram.frontend.dma import LiteDRAMDMAReader
from litedram.init import get_sdram_phy_init_sequence
from litedram.phy.model import SDRAMPHYModel
from litex.build.generic_platform import GenericPlatform, Pins, Subsignal
from litex.gen import *
from litex.soc.cores.uart import RS232PHYModel, UARTBone
from litex.soc.integration.builder import Builder
from litex.soc.integration.soc import SoCRegion
from litex.soc.integration.soc_core import SoCCore
from litex.soc.interconnect import axi, stream
from litex.soc.interconnect.csr import CSR, CSRStatus, CSRStorage
from migen import *

GPT2_BASE, DESCRIPTION_BASE = 0x80000000, 0xf0000000
WITHOUT_PROCESSOR = dict(cpu_type=None, with_uart=False, with_timer=False, integrated_sram_size=0, l2_size=0, ident_version=False)

# The ROM's words are those of struct board_description in link/board.h.
DESCRIPTION_WORDS = 256
MAGIC, VERSION = 0x64623267, 1      # "g2bd", the first letter in the lowest byte

# DFII's bits, as LiteDRAM's init.py names them
DFII = dict(DFII_CONTROL_SEL=1, DFII_CONTROL_CKE=2, DFII_CONTROL_ODT=4, DFII_CONTROL_RESET_N=8,
            DFII_COMMAND_CS=1, DFII_COMMAND_WE=2, DFII_COMMAND_CAS=4, DFII_COMMAND_RAS=8)


class Gpt2(LiteXModule):
    """gpt2_axi: `axil` are its registers, `memory` its only memory port; `token` is the last id that the host took."""

    def __init__(self, parameters, instance_parameters):
        bits = parameters["PortBits"]
        assert parameters["Ports"] == 1
        self.axil = axil = axi.AXILiteInterface(data_width=32, address_width=32)
        self.memory = memory = axi.AXIInterface(data_width=bits, address_width=32, id_width=1)
        self.token = Signal(17)

        ports = dict(i_clk_i=ClockSignal(), i_rst_ni=~ResetSignal(), i_test_en_i=0,
                     i_s_prompt_tvalid_i=0, i_s_prompt_tdata_i=0, i_s_prompt_tlast_i=0, i_m_token_tready_i=1, i_m_logits_tready_i=1)
        for channel, signals, is_in in (("aw", ("addr", "prot"), True), ("w", ("data", "strb"), True), ("b", ("resp",), False),
                                        ("ar", ("addr", "prot"), True), ("r", ("data", "resp"), False)):
            self.channel(ports, "s_axil", channel, getattr(axil, channel), signals, is_in)
        for channel, signals, is_in in (("aw", ("len", "size", "burst", "cache", "prot"), False), ("w", ("data", "strb", "last"), False),
                                        ("b", ("resp",), True), ("ar", ("len", "size", "burst", "cache", "prot"), False),
                                        ("r", ("data", "resp", "last"), True)):
            self.channel(ports, "m_axi", channel, getattr(memory, channel), signals, is_in)
        for channel in ("aw", "ar"):
            address = Signal(64)
            ports[f"o_m_axi_{channel}addr_o"] = address
            self.comb += getattr(memory, channel).addr.eq(address[:32])
        ports |= {f"p_{name}": value for name, value in instance_parameters.items()}
        self.specials += Instance("gpt2_axi", name="u_gpt2", **ports)

        # TOKEN, as the host reads it: docs/registers.md
        taken = Signal()
        self.sync += [
            If(axil.ar.valid & axil.ar.ready, taken.eq(axil.ar.addr[:12] == 0x064)),
            If(axil.r.valid & axil.r.ready & taken & axil.r.data[31], self.token.eq(axil.r.data)),
        ]

    @staticmethod
    def channel(ports, prefix, name, endpoint, signals, is_in):
        """A channel's ports of the instance; is_in: its payload goes into the instance."""
        forth, back = ("i", "o") if is_in else ("o", "i")
        ports[f"{forth}_{prefix}_{name}valid_{forth}"] = endpoint.valid
        ports[f"{back}_{prefix}_{name}ready_{back}"] = endpoint.ready
        for signal in signals:
            target = getattr(endpoint, signal)
            if signal == "addr":
                target = target[:12]
            ports[f"{forth}_{prefix}_{name}{signal}_{forth}"] = target


class PortConverter(LiteXModule):
    """A native port that is wider than the controller's, without the idle cycle that LiteDRAM's own has for each command."""

    def __init__(self, port, data_width):
        ratio = data_width // port.data_width
        self.wide = wide = LiteDRAMNativePort("both", port.address_width - log2_int(ratio), data_width)
        part = Signal(max=ratio)
        self.comb += [
            port.cmd.valid.eq(wide.cmd.valid), port.cmd.we.eq(wide.cmd.we), port.cmd.addr.eq(Cat(part, wide.cmd.addr)),
            wide.cmd.ready.eq(port.cmd.ready & (part == ratio - 1)),
        ]
        self.sync += If(port.cmd.valid & port.cmd.ready, part.eq(part + 1))
        self.writes = stream.StrideConverter(wide.wdata.description, port.wdata.description)
        self.reads = stream.StrideConverter(port.rdata.description, wide.rdata.description)
        self.write_path = stream.Pipeline(wide.wdata, self.writes, port.wdata)
        self.read_path = stream.Pipeline(port.rdata, self.reads, wide.rdata)


class MemoryCheck(LiteXModule):
    """Two sums over words of the memory, which the host compares with those of a file: for each word b += a, a += word.

    first and words count 32-bit words from the memory's beginning. A write to start begins, unless busy is 1; busy falls at
    the end.
    """

    def __init__(self, port):
        self.first = CSRStorage(32)
        self.words = CSRStorage(32)
        self.start = CSRStorage(1)
        self.busy = CSRStatus(1)
        self.a = CSRStatus(32)
        self.b = CSRStatus(32)

        assert port.data_width == 32
        self.dma = dma = LiteDRAMDMAReader(port, fifo_depth=16)
        address, to_ask, to_come = Signal(32), Signal(32), Signal(32)
        a, b = self.a.status, self.b.status
        self.comb += [dma.sink.valid.eq(to_ask != 0), dma.sink.address.eq(address), dma.source.ready.eq(1), self.busy.status.eq(to_come != 0)]
        self.sync += If(self.start.re & ~self.busy.status,
            address.eq(self.first.storage), to_ask.eq(self.words.storage), to_come.eq(self.words.storage), a.eq(0), b.eq(0),
        ).Else(
            If(dma.sink.valid & dma.sink.ready, address.eq(address + 1), to_ask.eq(to_ask - 1)),
            If(dma.source.valid, b.eq(b + a), a.eq(a + dma.source.data), to_come.eq(to_come - 1)),
        )


class Mark(LiteXModule):
    """A word that the host writes after it has initialised the memory, and that is 0 after the board's reset."""

    def __init__(self):
        self.word = CSRStorage(32)


class SimPlatform(GenericPlatform):
    def __init__(self, leds):
        super().__init__("sim", [
            ("clk", 0, Pins(1)), ("rst", 0, Pins(1)), ("leds", 0, Pins(leds)),
            ("serial", 0, Subsignal("source_valid", Pins(1)), Subsignal("source_ready", Pins(1)), Subsignal("source_data", Pins(8)),
             Subsignal("sink_valid", Pins(1)), Subsignal("sink_ready", Pins(1)), Subsignal("sink_data", Pins(8))),
        ], name="sim")

    def build(self, *arguments, **keywords):
        pass


class SimSoC(SoCCore):
    """A board's system with LiteDRAM's model of its memory."""

    def __init__(self, board):
        platform = SimPlatform(len(board.LEDS))
        self.cd_sys = ClockDomain()
        SoCCore.__init__(self, platform, board.CLOCK, ident="", **WITHOUT_PROCESSOR)
        self.comb += [self.cd_sys.clk.eq(platform.request("clk")), self.cd_sys.rst.eq(platform.request("rst"))]
        module = board.memory_module()
        self.sdrphy = SDRAMPHYModel(module, settings=PhySettings(nranks=1, **board.PHY), clk_freq=board.CLOCK, verbosity=0)
        self.add_sdram("sdram", phy=self.sdrphy, module=module, l2_cache_size=0)
        self.uartbone_phy = RS232PHYModel(platform.request("serial"))
        self.uartbone = UARTBone(self.uartbone_phy, clk_freq=board.CLOCK, address_width=32)
        self.bus.add_master(name="uartbone", master=self.uartbone.wishbone)
        self.led_pads = platform.request("leds")


def port(soc, name, data_width):
    """A port of the memory controller, of this width."""
    crossbar = soc.sdram.crossbar
    if data_width <= crossbar.controller.data_width:
        return crossbar.get_port(data_width=data_width)
    converter = PortConverter(crossbar.get_port(), data_width)
    setattr(soc, f"{name}_converter", converter)
    return converter.wide


def add_gpt2(soc, board, instance_parameters):
    """Puts gpt2_axi and what the host needs into a system that has memory and a way to the host."""
    memory = soc.bus.regions["main_ram"].origin
    soc.gpt2 = Gpt2(board.PARAMETERS, instance_parameters)
    soc.bus.add_slave("gpt2", soc.gpt2.axil, SoCRegion(origin=GPT2_BASE, size=0x1000, cached=False))
    soc.gpt2_port = LiteDRAMAXI2Native(soc.gpt2.memory, port(soc, "gpt2", board.PARAMETERS["PortBits"]), base_address=memory)
    soc.gpt2_check = MemoryCheck(port(soc, "check", 32))
    soc.gpt2_mark = Mark()
    lit_is_high = board.LEDS_HIGH or isinstance(soc, SimSoC)
    soc.comb += soc.led_pads.eq(soc.gpt2.token if lit_is_high else ~soc.gpt2.token)
    soc.add_rom("description", origin=DESCRIPTION_BASE, size=4 * DESCRIPTION_WORDS, contents=[0] * DESCRIPTION_WORDS)
    soc.finalize()
    words = description(soc, board)
    assert len(words) <= DESCRIPTION_WORDS
    soc.description.mem.init = words + [0] * (DESCRIPTION_WORDS - len(words))


def registers(soc):
    """Addresses of the registers by name: sdram_dfii_control"""
    found = {}
    for name, region in soc.csr.regions.items():
        at = region.origin
        for csr in region.obj if isinstance(region.obj, list) else []:        # otherwise a memory
            found[f"{name}_{csr.name}"] = at
            at += 4 * ((csr.size + 31) // 32)
    return found


def initialisation(soc, at):
    """What LiteX's BIOS does before it uses the memory: (address, value, microseconds to wait)."""
    sequence, _ = get_sdram_phy_init_sequence(soc.sdram.controller.settings.phy, soc.sdram.controller.settings.timing)
    written = [(at["sdram_dfii_control"], number("DFII_CONTROL_CKE|DFII_CONTROL_ODT|DFII_CONTROL_RESET_N"), 0)]
    for _, address, bank, command, cycles in sequence:
        wait = int(cycles * 1e6 / soc.sys_clk_freq) + 1 if cycles else 0
        written += [(at["sdram_dfii_pi0_address"], address, 0), (at["sdram_dfii_pi0_baddress"], bank, 0)]
        if command.startswith("DFII_CONTROL"):
            written += [(at["sdram_dfii_control"], number(command), wait)]
        else:
            written += [(at["sdram_dfii_pi0_command"], number(command), 0), (at["sdram_dfii_pi0_command_issue"], 1, wait)]
    return written + [(at["sdram_dfii_control"], DFII["DFII_CONTROL_SEL"], 0)]


def number(names):
    return sum(DFII[name] for name in names.split("|"))


def description(soc, board):
    at = registers(soc)
    memory = soc.bus.regions["main_ram"]
    operations = initialisation(soc, at)
    name = board.NAME.encode().ljust(32, b"\0")
    levelling = [*board.LEVELLING, *(at[f"ddrphy_{r}"] for r in ("dly_sel", "rdly_dq_rst", "rdly_dq_inc", "rdly_dq_bitslip_rst", "rdly_dq_bitslip"))] \
        if "ddrphy_dly_sel" in at else [0] * 8      # SDRAM, and the model of any memory, have no delays to find
    return [MAGIC, VERSION, *(int.from_bytes(name[i:i + 4], "little") for i in range(0, 32, 4)),
            int(soc.sys_clk_freq), memory.origin, memory.size, GPT2_BASE, at["gpt2_mark_word"],
            *(at[f"gpt2_check_{r}"] for r in ("first", "words", "start", "busy", "a", "b")),
            *levelling, len(operations), *(word for operation in operations for word in operation)]


def main():
    name, kind, folder = sys.argv[1:]
    board = importlib.import_module(name)
    os.makedirs(folder, exist_ok=True)
    if kind == "sim":
        soc = SimSoC(board)
    else:
        soc = board.system(WITHOUT_PROCESSOR)
    # Synthesis gets the parameters with gpt2_axi (syn/board.py). The last two make simulation faster, with the same cycles.
    add_gpt2(soc, board, dict(board.PARAMETERS, ClockGating=1, AdderRetiming=1) if kind == "sim" else {})
    if kind == "synth":
        # Also the pins and the clocks: BOARD.lpf. What else LiteX writes is not used.
        Builder(soc, output_dir=folder, gateware_dir=folder, compile_software=False, compile_gateware=False).build(build_name=name, run=False)
    else:
        verilog = soc.platform.get_verilog(soc, name=name)
    os.chdir(folder)
    if kind == "sim":
        verilog.write(f"{name}.v")
    if kind == "sim":
        geometry = board.memory_module().geom_settings
        banks = ["mem"] + [f"mem_{n}" for n in range(1, 2**geometry.bankbits)]
        with open(f"{name}.vlt", "w") as out:
            out.write("`verilator_config\n" + "".join(f'public_flat_rw -module "{name}" -var "{bank}"\n' for bank in banks))
        with open(f"{name}.page", "w") as out:
            # The model counts bursts of DDR3 as half as long as they are: every second of its words is unused.
            column, word = board.PHY["databits"] // 8, board.PHY["dfi_databits"] * board.PHY["nphases"] // 8
            burst = (1 if board.PHY["memtype"] == "SDR" else 2) * board.PHY["nphases"]
            out.write(f"{2**geometry.colbits * column} {word} {word // column // burst}\n")
    with open(f"{name}.params", "w") as out:
        out.write(" ".join(f"{n}={v}" for n, v in board.PARAMETERS.items()) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main()
