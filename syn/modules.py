# SPDX-License-Identifier: Apache-2.0
"""Takes the machine apart: every module becomes RTLIL of its own, and results made from it are kept until it changes.

Yosys reads gpt2_top once, with the slang front end, so each module has the parameters that it has in the machine. A
module's text is then made independent of its place: it has no source lines and no instance paths, and generated names are
counted from its beginning. Two instances with equal text are one module here. What a tool makes from a text is kept in
build/synth/kept/, under a hash of that text, the tool's version and its settings. After an edit only what it changed is
made again.
"""

import collections
import concurrent.futures
import functools
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys

import verilog

VERSION = " ".join(f"{package} {importlib.metadata.version(package)}" for package in ("pyosys",))
KEPT = "build/synth/kept"


GENERATED = re.compile(r"(\$(?:procmux|auto\$[^\s$]+(?:\$[^\s$\d]+)*)\$)(\d+)")


def digest(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


class Machine:
    """gpt2_top, or another module ("Top=axi_memory"), with these parameters ("Lanes=64"): `instances` has its modules' names, by path."""

    def __init__(self, settings):
        os.makedirs(KEPT, exist_ok=True)
        path = f"{KEPT}/machine_{os.getpid()}"
        child(__file__, path, *settings, log=path + ".log")
        with open(path) as read:
            design = read.read()
        os.remove(path)
        self.text, self.children = {}, {}
        for part in re.split(r"^(?=module )", design, flags=re.M)[1:]:
            name = re.match(r"module (\S+)", part)[1]
            part = part[:part.index("\nend\n") + 5]
            self.text[name] = re.sub(r"^ *attribute \\src .*\n", "", part[part.index("\n") + 1:], flags=re.M)
        for name, text in self.text.items():
            self.children[name] = [cell for cell in re.findall(r"^  cell (\S+) ", text, re.M) if cell in self.text]
        self.instances = list(self.text)

    def alone(self, name):
        """A module's RTLIL with the modules inside it as black boxes: text and a key, equal for equal modules."""
        parts = {}
        return self.whole(name, parts, self.own(name, lambda child: self.put(parts, child, self.ports(child), "attribute \\blackbox 1\n")))

    def tree(self, name):
        """A module's RTLIL with the modules inside it: text and a key, equal for equal trees."""
        parts = {}
        return self.whole(name, parts, self.own(name, lambda child: self.descend(parts, child)))

    @staticmethod
    def whole(name, parts, text):
        head = f"module \\{base(name)}\n"
        return "".join(parts.values()) + head + text, digest(head, canonical(text))

    def descend(self, parts, name):
        return self.put(parts, name, self.own(name, lambda child: self.descend(parts, child)))

    @staticmethod
    def put(parts, name, text, attribute=""):
        """Adds a module's text to parts under a name that is equal for equal texts; returns that name."""
        unique = f"\\{base(name)}.{digest(canonical(text))}"
        parts[unique] = f"{attribute}module {unique}\n{text}"
        return unique

    def ports(self, name):
        return "\n".join(re.findall(r"^  wire .*\b(?:input|output) \d.*", self.text[name], re.M) + ["end", ""])

    def own(self, name, rename):
        """The text between a module's name and the next module, with its children's names changed."""
        text = self.text[name]
        for child in dict.fromkeys(self.children[name]):
            text = text.replace(f"  cell {child} ", f"  cell {rename(child)} ")
        return text


@functools.cache
def canonical(text):
    """A module's text without the order of its objects and the numbers in generated names, for comparison only.

    Yosys counts through all modules, so a change in one renames and reorders objects of others. Here a number becomes
    a hash of where it occurs, with the hashes of the numbers beside it, a few times over.
    """
    objects = re.findall(r"(?:  attribute .*\n)*  (?:cell .*\n(?:    .*\n)*  end|(?:wire|memory|connect) .*)\n", text)
    labels = {}
    for _ in range(5):
        places, masked = collections.defaultdict(list), []
        for text in objects:
            found = []
            masked.append(GENERATED.sub(lambda m: m[1] + labels.get(found.append(m[2]) or m[2], ""), text))
            own = digest(masked[-1]) if found else ""
            for at, n in enumerate(found):
                places[n].append(f"{own} {at}")
        labels = {n: digest(*sorted(where)) for n, where in places.items()}
    return "".join(sorted(masked))


def base(name):
    return name.lstrip("\\").split("$")[0]


def correct_lutrams():
    """Yosys 0.70 gives single-port LUT memory of UltraScale+ 16 address bits where its own map, like the device, has 9."""
    import pyosys
    path = os.path.join(os.path.dirname(pyosys.__file__), "share/xilinx/lutrams_xcu.txt")
    text = open(path).read()
    if "abits 16;" in text:
        with open(path + ".new", "w") as out:
            out.write(text.replace('"ABITS" 16', '"ABITS" 9').replace("abits 16;", "abits 9;"))
        os.replace(path + ".new", path)


def tool(name):
    """A program's path: the PATH's own, or PyPI's beside this Python."""
    return shutil.which(name) or os.path.join(os.path.dirname(sys.executable), f"yowasp-{name}")


def child(script, *arguments, log):
    """Runs a separate Python process, whose output goes to the file; returns the seconds that it computed."""
    with open(log, "w") as out:
        process = subprocess.Popen([sys.executable, script, "--child", *arguments], stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join([script, *arguments])} failed: see {log}")
    return usage.ru_utime + usage.ru_stime


def into_page(page, command, lines):
    """Writes a table where the page has `<!-- COMMAND -->`, or `<!-- COMMAND: ROW, ROW -->` for these rows of it, up to `<!-- end -->`."""
    def chosen(mark):
        rows = mark[1].split(", ") if mark[1] else []
        return [line for i, line in enumerate(lines) if i < 2 or not rows or line.split("|")[1].strip(" *") in rows]

    with open(page) as old:
        text = old.read()
    new = re.sub(rf"<!-- {re.escape(command)}(?:: ([^\n]*?))? -->\n.*?<!-- end -->",
                 lambda mark: "\n".join([mark[0].split("\n")[0], *chosen(mark), "<!-- end -->"]), text, flags=re.S)
    if new != text:
        with open(page + ".new", "w") as out:
            out.write(new)
        os.replace(page + ".new", page)


def in_parallel(function, jobs, weight):
    """Calls function(job) for all jobs, the heaviest first, JOBS (or one per core) at a time."""
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", os.cpu_count() or 1))) as pool:
        running = [(job, pool.submit(function, job)) for job in sorted(jobs, key=weight, reverse=True)]
        return [(job, run.result()) for job, run in running]


def read(path, *settings):
    from pyosys import libyosys as ys
    top = ([s[4:] for s in settings if s.startswith("Top=")] + ["gpt2_top"])[0]
    settings = [s for s in settings if not s.startswith("Top=")]
    given = " ".join(f"-G {s}" for s in settings)
    design = ys.Design()
    for command in (f"read_slang --keep-hierarchy -j 1 -I rtl/base -D SYNTHESIS --top {top} {given} " + " ".join(verilog.sources()),
                    f"hierarchy -check -top {top}", f"write_rtlil {path}"):
        ys.run_pass(command, design)


def start(main, child=None, bare=False):
    """A script's main block: calls child with the arguments of modules.child, main otherwise. Returns main's result.

    Without arguments it prints the script's text, unless the script runs without any (bare).
    """
    if child and sys.argv[1:2] == ["--child"]:
        return child(*sys.argv[2:])
    if len(sys.argv) < 2 and not bare:
        sys.exit(sys.modules["__main__"].__doc__)
    return main()


if __name__ == "__main__":
    start(None, read)
