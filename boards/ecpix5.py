# SPDX-License-Identifier: Apache-2.0
"""ECPIX-5 with the ECP5-85F: 16 bits of DDR3, 512 MB, models up to GPT-2 124M, the host by the micro USB connector's UART."""

from litedram.common import get_default_cl_cwl, get_sys_latency
from litedram.modules import MT41K256M16

NAME = "ECPIX-5"
CLOCK = 75e6
BAUD = 1000000
PARAMETERS = dict(Lanes=64, Folding=4, MaxHeads=12, MaxCtx=1024, NormWidth=4, SystolicList=0, Ports=1, PortBits=128)
LEDS, LEDS_HIGH = range(12), False
LEVELLING = 2, 8, 4     # bytes, delays and bit slips of ECP5DDRPHY
CL, CWL = get_default_cl_cwl("DDR3", 2 / (2 * 2 * CLOCK))
# ECP5DDRPHY's
PHY = dict(phytype="ECP5DDRPHY", memtype="DDR3", databits=16, dfi_databits=64, nphases=2, rdphase=1, wrphase=0, cl=CL, cwl=CWL,
           read_latency=get_sys_latency(2, CL) + 10, write_latency=get_sys_latency(2, CWL))


def memory_module():
    return MT41K256M16(CLOCK, "1:2")


def system(without_processor):
    from litex_boards.targets.lambdaconcept_ecpix5 import BaseSoC
    from migen import Cat
    soc = BaseSoC(device="85F", sys_clk_freq=CLOCK, with_led_chaser=False, **without_processor)
    soc.add_uartbone(baudrate=BAUD)
    soc.led_pads = Cat(*(getattr(pads, colour) for pads in (soc.platform.request("rgb_led", i) for i in range(4)) for colour in "rgb"))
    return soc
