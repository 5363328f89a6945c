# SPDX-License-Identifier: Apache-2.0
"""gpt2_axi between cocotbext-axi's models: an AxiRam at each memory port, a host on AXI4-Lite.

The ids go in and out through registers or AXI4-Stream. What is asserted: the ids are those of the golden engine, whatever stalls; an error in an answer ends the run with the
error's code, and the next run is exact; so is the run after a reset under traffic, hard or soft; several prompts, each with its seed, give the ids that
each gives alone. AxiRam itself asserts
that no burst crosses 4 KB, and the RTL has its own assertions on (axi_rules.sv).

The image, the prompt, golden's ids and the register map come in the environment (test_axi.sh, run.py).
"""

import json
import logging
import math
import os
import random
import re
import struct

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import (AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam, AxiResp, AxiStreamBus, AxiStreamFrame,
                           AxiStreamSink, AxiStreamSource)


def contents(variable):
    with open(os.environ[variable], "rb") as file:
        return file.read()


IMAGE = contents("AXI_IMAGE")
PORTS = int(os.environ["AXI_PORTS"])
POSITIONS = int(os.environ["AXI_POSITIONS"])
MANY = json.loads(contents("AXI_MANY").decode("utf-8", "replace"))  # prompts, their seeds and their texts
PROMPT = [int(i) for i in os.environ["AXI_PROMPT"].split(",")]
IDS = json.loads(contents("AXI_GOLDEN").decode("utf-8", "replace"))["ids"]
LOGITS = contents("AXI_LOGITS")                               # float32, a row of the vocabulary for each id of the prompt
SHORT = os.environ["AXI_TESTS"] == "short"
REG = {name: int(at, 16) for at, name in
       re.findall(r"^\| (0x[0-9a-f]+) \| \[(\w+)\]", contents("AXI_REGISTERS").decode(), re.M)}
START, ABORT, SOFT_RESET = 1, 2, 4                            # CONTROL
DONE, TOKEN = 1, 8                                            # INT_STATUS
ALL_HEADS, PROMPT_STREAM, TOKEN_STREAM = 1, 4, 8              # RUN
NONE, ABORTED, READ, WRITE = 0, 1, 11, 12                     # STATUS.error
HEADER = 4096
# Bases and a stride that need their upper halves.
IMAGE_BASE, KV_BASE, STRIDE = 0x3_ffff_f000, 0xfedc_ba98_7654_3000, 0x10_0000_5000
SPACE = 2**62                                                 # of an AxiRam at most; it ignores the bits above


def field(format_, at):
    return struct.unpack_from("<" + format_, IMAGE, at)


def generator_state(seed):
    """The state of the drawing's generator for a seed, as docs/numerics.md has it: SplitMix64's first number."""
    x = (seed + 0x9e3779b97f4a7c15) % 2**64
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 % 2**64
    x = (x ^ x >> 27) * 0x94d049bb133111eb % 2**64
    return x ^ x >> 31


def stalls(percent, seed):
    generator = random.Random(seed)
    while True:
        yield generator.randrange(100) < percent


class Bench:
    """The machine, its host and its memories."""

    def __init__(self, dut):
        self.dut = dut
        self.lanes, = field("I", 12)
        self.errors = {}                                      # (channel, answer's number) -> AxiResp
        self.answers = {"r": 0, "b": 0}
        for name in ("cocotb.gpt2_axi_ports", "cocotb.gpt2_axi_ports.s_axil"):
            logging.getLogger(name).setLevel(logging.WARNING)

    async def begin(self, percent=0):
        dut = self.dut
        cocotb.start_soon(Clock(dut.clk, 4, "ns").start())
        dut.rst_n.value = 0
        self.rams = []
        for p in range(PORTS):
            ram = AxiRam(AxiBus.from_prefix(dut, f"m{p}_axi"), dut.clk, dut.rst_n, reset_active_level=False,
                         size=SPACE)
            self.rams.append(ram)
            for at in (ram.read_if, ram.write_if):
                at.log.setLevel(logging.WARNING)
            self.answered(ram.read_if.r_channel, "r", "rresp")
            self.answered(ram.write_if.b_channel, "b", "bresp")
        self.stall(percent)
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst_n, reset_active_level=False)
        for at in (self.host.read_if, self.host.write_if):
            at.log.setLevel(logging.WARNING)
        self.prompt = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_prompt"), dut.clk, dut.rst_n,
                                      reset_active_level=False)
        self.token = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_token"), dut.clk, dut.rst_n, reset_active_level=False)
        self.logits = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_logits"), dut.clk, dut.rst_n,
                                    reset_active_level=False)
        for at in (self.prompt, self.token, self.logits):
            at.log.setLevel(logging.WARNING)
        self.load()
        await ClockCycles(dut.clk, 5)
        dut.rst_n.value = 1
        await ClockCycles(dut.clk, 5)
        assert await self.read("ID") == 0x32747067
        await self.settings()

    def answered(self, channel, name, field_):
        """Counts what a channel answers, and gives the answers in self.errors their error."""
        send = channel.send

        async def with_errors(transfer):
            error = self.errors.get((name, self.answers[name]))
            self.answers[name] += 1
            if error is not None:
                setattr(transfer, field_, error)
            await send(transfer)
        channel.send = with_errors

    def stall(self, percent):
        seed = 0
        for ram in self.rams:
            for channel in (ram.read_if.ar_channel, ram.read_if.r_channel, ram.write_if.aw_channel,
                            ram.write_if.w_channel, ram.write_if.b_channel):
                seed += 1
                channel.set_pause_generator(stalls(percent, seed) if percent else None)

    def load(self):
        """The image in stripes: bytes p W .. of each beat to port p. The cache holds noise."""
        beats, width = IMAGE[HEADER:], self.lanes // PORTS
        for p, ram in enumerate(self.rams):
            stripe = b"".join(beats[at:at + width] for at in range(p * width, len(beats), self.lanes))
            ram.write((IMAGE_BASE + p * STRIDE) % SPACE, stripe)
            ram.write((KV_BASE + p * STRIDE) % SPACE, random.Random(p).randbytes(0x10000))

    async def read(self, register):
        return await self.host.read_dword(REG[register])

    async def write(self, register, value):
        await self.host.write_dword(REG[register], value & 0xffffffff)

    async def settings(self):
        layers, heads, width, context, vocabulary, _ = field("6I", 40)
        state = generator_state(int(os.environ["AXI_SEED"]))
        inv_t = round(math.log2(math.e) / float(os.environ["AXI_TEMPERATURE"]) * 2**16)
        inv_width, = field("Q", 72)
        eps_term, = field("Q", 80)
        wpe, wte, stream, head, _ = field("5Q", 88)
        v_off, stride = field("II", 128)
        for register, value in [
                ("N_LAYER", layers), ("N_HEAD", heads), ("N_CTX", context), ("N_VOCAB", vocabulary),
                ("INV_WIDTH", inv_width), ("EPS_TERM_LOW", eps_term), ("EPS_TERM_HIGH", eps_term >> 32),
                ("WPE_BEAT", wpe), ("WTE_BEAT", wte), ("STREAM_BEAT", stream), ("HEAD_BEAT", head),
                ("KV_STRIDE", stride), ("KV_V_OFF", v_off), ("RUN", 0),
                ("TOP_K", int(os.environ["AXI_TOP_K"])), ("INV_T", inv_t), ("SEED_LOW", state), ("SEED_HIGH", state >> 32),
                ("IMAGE_BASE_LOW", IMAGE_BASE), ("IMAGE_BASE_HIGH", IMAGE_BASE >> 32),
                ("KV_BASE_LOW", KV_BASE), ("KV_BASE_HIGH", KV_BASE >> 32), ("STRIPE_STRIDE_LOW", STRIDE),
                ("STRIPE_STRIDE_HIGH", STRIDE >> 32), ("INT_ENABLE", DONE | TOKEN)]:
            await self.write(register, value)
        assert width == 64 * heads

    async def seed(self, seed):
        state = generator_state(seed)
        await self.write("SEED_LOW", state)
        await self.write("SEED_HIGH", state >> 32)

    async def start(self, tokens):
        await self.write("MAX_NEW", tokens)
        await self.write("INT_STATUS", 15)
        await self.write("CONTROL", START)
        for i, token in enumerate(PROMPT):
            await self.write("PROMPT", token | (i == len(PROMPT) - 1) << 31)

    async def finish(self):
        """Takes ids by interrupt until the run is over: the ids, and the error's code."""
        ids = []
        while True:
            if not int(self.dut.irq.value):
                await RisingEdge(self.dut.irq)
            status = await self.read("INT_STATUS")
            while True:
                token = await self.read("TOKEN")
                if not token >> 31:
                    break
                ids.append(token & 0x1ffff)
            if status & DONE:
                break
            await self.write("INT_STATUS", TOKEN)
        return ids, await self.read("STATUS") >> 4 & 15

    async def run(self, tokens):
        await self.start(tokens)
        ids, error = await self.finish()
        assert error == NONE, f"error {error}"
        assert ids == IDS[:tokens], f"found {ids}, expected {IDS[:tokens]}"


@cocotb.test(skip=POSITIONS > 1)
async def ids(dut):
    """A run past the context of 64, which is then cropped."""
    bench = Bench(dut)
    await bench.begin()
    await bench.run(4 if SHORT else len(IDS))


@cocotb.test(skip=POSITIONS > 1)
async def stalled(dut):
    """Every channel of every port stalls at random, independently."""
    bench = Bench(dut)
    await bench.begin(30)
    await bench.run(2 if SHORT else 8)
    if not SHORT:
        bench.stall(70)
        await bench.run(3)


@cocotb.test(skip=POSITIONS > 1)
async def refused(dut):
    """SLVERR and DECERR, in a read and in a write, early and late in a run; after each, a run."""
    bench = Bench(dut)
    await bench.begin(10)
    which = random.Random(3)
    for channel, code in (("r", READ), ("b", WRITE)):
        for response in (AxiResp.SLVERR, AxiResp.DECERR):
            for far in (0, 1000 if channel == "r" else 40):
                at = bench.answers[channel] + which.randrange(far + 1)
                bench.errors = {(channel, at): response}
                await bench.start(4)
                found, error = await bench.finish()
                assert error == code, f"{channel} {response}: error {error}, expected {code}"
                assert found == IDS[:len(found)]
                fault = await bench.read("FAULT")
                assert fault & 7 == 1 | (channel == "b") << 1 | (response == AxiResp.DECERR) << 2, f"FAULT {fault:#x}"
                bench.errors = {}
        await bench.run(2)


@cocotb.test(skip=POSITIONS > 1)
async def reset(dut):
    """ARESETn for all at random moments of a run: the ports become idle, and the next run is exact."""
    bench = Bench(dut)
    await bench.begin(20)
    for wait in [random.Random(4).randrange(50, 4000) for _ in range(2 if SHORT else 8)]:
        await bench.start(4)
        await ClockCycles(dut.clk, wait)
        dut.rst_n.value = 0
        await ClockCycles(dut.clk, 3)
        for p in range(PORTS):
            for valid in ("arvalid", "awvalid", "wvalid"):
                assert not int(getattr(dut, f"m{p}_axi_{valid}").value)
        dut.rst_n.value = 1
        await ClockCycles(dut.clk, 3)
        await bench.settings()
    await bench.run(2)


@cocotb.test(skip=POSITIONS > 1)
async def soft_reset(dut):
    """The machine's own reset and abort at random moments: the memory keeps working, sees no broken transfer, and the
    next run is exact."""
    bench = Bench(dut)
    await bench.begin(40)
    moments = random.Random(5)
    for i in range(2 if SHORT else 10):
        await bench.start(4)
        await ClockCycles(dut.clk, moments.randrange(50, 3000))
        await bench.write("CONTROL", ABORT if i % 2 else SOFT_RESET)
        while await bench.read("STATUS") & 1:
            pass
        asked = [ram.read_if.ar_channel.count() for ram in bench.rams]
        assert not any(asked), "a request is left after the drain"
    await bench.run(2)


@cocotb.test(skip=POSITIONS > 1)
async def streams(dut):
    """A packet is a prompt, and a run's ids are a packet; all logits of the prompt's positions; a packet whose run is
    aborted is closed by a transfer without bytes, and the rest of its prompt is dropped."""
    bench = Bench(dut)
    await bench.begin()
    bench.token.set_pause_generator(stalls(60, 1))
    bench.prompt.set_pause_generator(stalls(60, 2))
    bench.logits.set_pause_generator(stalls(20, 3))
    await bench.write("INT_ENABLE", DONE)

    async def run(tokens, prompt, route=PROMPT_STREAM | TOKEN_STREAM):
        await bench.write("RUN", route)
        await bench.write("MAX_NEW", tokens)
        await bench.write("INT_STATUS", 15)
        await bench.write("CONTROL", START)
        await bench.prompt.send(AxiStreamFrame(b"".join(struct.pack("<I", i) for i in prompt)))

    async def packet():
        frame = await bench.token.recv(compact=False)
        ids = [i for i, in struct.iter_unpack("<I", bytes(frame.tdata))]
        kept = [frame.tkeep[4 * i:4 * i + 4] for i in range(len(ids))]
        assert all(k == [1] * 4 for k in kept[:-1]) and kept[-1] in ([1] * 4, [0] * 4)
        return ids if kept[-1][0] else ids[:-1], kept[-1][0]

    async def done():
        if not int(dut.irq.value):
            await RisingEdge(dut.irq)
        return await bench.read("STATUS") >> 4 & 15

    for _ in range(2):
        await run(3, PROMPT)
        assert await packet() == (IDS[:3], 1)
        assert await done() == NONE

    # An id too large for 17 bits is one that no vocabulary has, not its lower bits.
    await run(1, [5, 2**17 + 5])
    assert await done() == 3, "prompt_id expected"

    # Aborted inside the prompt's packet, whose rest is dropped, and inside the tokens', which is closed.
    bench.prompt.set_pause_generator(stalls(97, 2))
    await run(3, PROMPT * 8)
    await ClockCycles(dut.clk, 300)
    await bench.write("CONTROL", ABORT)
    assert await done() == ABORTED
    bench.prompt.set_pause_generator(stalls(30, 2))
    await run(60, PROMPT)
    while not (int(dut.m_token_tvalid.value) and int(dut.m_token_tready.value)):
        await RisingEdge(dut.clk)
    await bench.write("CONTROL", ABORT)
    assert await done() == ABORTED
    found, whole = await packet()
    assert not whole and found and found == IDS[:len(found)]
    await run(2, PROMPT)
    assert await packet() == (IDS[:2], 1)
    assert await done() == NONE

    # The logits of each position of the prompt.
    assert bench.logits.empty()
    vocabulary, = field("I", 56)
    await run(1, PROMPT, PROMPT_STREAM | TOKEN_STREAM | ALL_HEADS)
    for position in range(len(PROMPT)):
        frame = await bench.logits.recv()                     # without the bytes that do not count
        rows = [r / 65536 for r, in struct.iter_unpack("<i", bytes(frame.tdata))]
        want = struct.unpack_from(f"<{vocabulary}f", LOGITS, 4 * vocabulary * position)
        rows = struct.unpack(f"<{len(rows)}f", struct.pack(f"<{len(rows)}f", *rows))
        assert rows == want, f"position {position}: {rows[:4]}, expected {want[:4]}"
    found, whole = await packet()                             # drawn after a draw at each position: another id
    assert whole and len(found) == 1
    assert await done() == NONE


async def start_many(bench, route):
    """A run of all prompts of MANY; its seed at the start is none of theirs."""
    await bench.write("RUN", route)
    await bench.write("MAX_NEW", len(MANY[0]["ids"]))
    await bench.write("MORE_PROMPTS", len(MANY) - 1)
    await bench.write("INT_STATUS", 15)
    await bench.seed(1000)
    await bench.write("CONTROL", START)


def expect_many(words):
    """The texts of TOKEN's words: id, prompt, last."""
    texts = [[] for _ in MANY]
    for word in words:
        text = texts[word >> 17 & 0x1fff]
        text.append(word & 0x1ffff)
        assert (word >> 30 & 1) == (len(text) == len(MANY[0]["ids"]))
    for prompt, text in zip(MANY, texts):
        assert text == prompt["ids"], f"{prompt['prompt_ids']}: found {text}, expected {prompt['ids']}"


@cocotb.test(skip=POSITIONS == 1)
async def several(dut):
    """More prompts than places, through the registers."""
    bench = Bench(dut)
    await bench.begin(20)
    for _ in range(1 if SHORT else 2):
        await start_many(bench, 0)
        words, fed = [], 0
        while await bench.read("STATUS") & 1 or await bench.read("LEVELS") >> 16:
            if fed < len(MANY) and await bench.read("STATUS") & 4:
                await bench.seed(int(MANY[fed]["seed"]))
                ids_ = MANY[fed]["prompt_ids"]
                for i, token in enumerate(ids_):
                    await bench.write("PROMPT", token | (i == len(ids_) - 1) << 31)
                fed += 1
            token = await bench.read("TOKEN")
            if token >> 31:
                words.append(token)
        assert await bench.read("STATUS") >> 4 & 15 == NONE
        expect_many(words)


@cocotb.test(skip=POSITIONS == 1)
async def several_streams(dut):
    """A packet for each prompt, and one for all ids of the run."""
    bench = Bench(dut)
    await bench.begin()
    bench.token.set_pause_generator(stalls(60, 1))
    bench.prompt.set_pause_generator(stalls(60, 2))
    for _ in range(1 if SHORT else 2):
        await start_many(bench, PROMPT_STREAM | TOKEN_STREAM)
        for prompt in MANY:
            await bench.seed(int(prompt["seed"]))
            await bench.prompt.send(AxiStreamFrame(b"".join(struct.pack("<I", i) for i in prompt["prompt_ids"])))
            await bench.prompt.wait()
        frame = await bench.token.recv()
        expect_many([word for word, in struct.iter_unpack("<I", bytes(frame.tdata))])
        while await bench.read("STATUS") & 1:
            pass
        assert await bench.read("STATUS") >> 4 & 15 == NONE
        assert bench.token.empty()
