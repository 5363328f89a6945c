# SPDX-License-Identifier: Apache-2.0
"""FuseSoC generator: the hardware as one plain Verilog file, for tools that do not read its SystemVerilog (syn/verilog.py).

FuseSoC calls it with a file that has the result's name and, as parameters: top, and the top's parameters.
Yosys comes from where this runs (pyosys), or from PyPI into the core's build/venv.
"""

import importlib.util
import os
import subprocess
import sys

import yaml


def main():
    with open(sys.argv[1]) as f:
        given = yaml.safe_load(f)
    root, parameters = os.path.dirname(os.path.dirname(os.path.abspath(__file__))), dict(given["parameters"])
    top = parameters.pop("top")
    python = sys.executable
    if importlib.util.find_spec("pyosys") is None:
        if subprocess.call(["syn/venv.sh"], cwd=root):
            sys.exit("Yosys could not be fetched from PyPI: " + os.path.join(root, "build/venv.log"))
        python = os.path.join(root, "build/venv/bin/python")
    settings = [f"{name}={value}" for name, value in parameters.items()]
    path = os.path.abspath(top + ".v")
    with open("yosys.log", "w") as log:
        if subprocess.call([python, "syn/verilog.py", path, top, *settings], cwd=root, stdout=log, stderr=subprocess.STDOUT):
            sys.exit("Yosys could not write it: " + os.path.abspath("yosys.log"))
    with open("verilog.core", "w") as core:
        core.write(f"CAPI=2:\nname: {given['vlnv']}\nfilesets:\n  verilog:\n    file_type: verilogSource\n    files: [{top}.v]\n"
                   "targets:\n  default:\n    filesets: [verilog]\n")


if __name__ == "__main__":
    main()
