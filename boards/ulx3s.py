# SPDX-License-Identifier: Apache-2.0
"""ULX3S with the ECP5-85F: 16 bits of SDRAM, the demo model, the host by the USB connector US1's UART.

The memory is set up as the smaller of the two chips that these boards have, 32 MB; the larger one has all that the smaller
has.
"""

from litedram.modules import MT48LC16M16

NAME = "ULX3S-85F"
CLOCK = 50e6
BAUD = 1000000
PARAMETERS = dict(Lanes=64, Folding=4, MaxHeads=3, MaxCtx=256, NormWidth=4, SystolicList=0, Ports=1, PortBits=32)
LEDS, LEDS_HIGH = range(8), True
# GENSDRPHY's
PHY = dict(phytype="GENSDRPHY", memtype="SDR", databits=16, dfi_databits=16, nphases=1, rdphase=0, wrphase=0, cl=2, cwl=2, read_latency=4, write_latency=0)


def memory_module():
    return MT48LC16M16(CLOCK, "1:1")


def system(without_processor):
    from litex_boards.targets.radiona_ulx3s import BaseSoC
    soc = BaseSoC(device="LFE5U-85F", sys_clk_freq=CLOCK, sdram_module_cls="MT48LC16M16", sdram_rate="1:1", with_led_chaser=False, **without_processor)
    soc.add_uartbone(baudrate=BAUD)
    soc.led_pads = soc.platform.request_all("user_led")
    return soc
