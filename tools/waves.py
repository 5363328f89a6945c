# SPDX-License-Identifier: Apache-2.0
"""Draws docs/waves/*.json, timing diagrams in WaveDrom's notation, as SVG into a folder (make waves: docs/waves).

    build/venv/bin/python tools/waves.py FOLDER
"""

import glob
import os
import sys

import wavedrom


def main():
    for path in sorted(glob.glob("docs/waves/*.json")):
        with open(path) as f:
            svg = wavedrom.render(f.read())
        name = os.path.basename(path).replace(".json", ".svg")
        svg.saveas(os.path.join(sys.argv[1], name))


if __name__ == "__main__":
    main()
