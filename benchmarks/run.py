"""Runs benchmarks and writes what they found to benchmarks/results.md, each in its own section.

Usage: python benchmarks/run.py [NAME...]

By default all: goals, engine, cancel, interference, server, headers, commands. A section that is
not measured anew stays as it was, with the machine and the versions that it was measured with.
"""

import datetime
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cancel
import commands
import goals
import headers
import interference
import psutil
from findings import Finding, table

import engine
import server
from puna import __version__
from puna.engine import abi

RESULTS = Path(__file__).with_name("results.md")
PARTS: dict[str, Callable[[], list[Finding]]] = {
    "goals": goals.measure,
    "engine": engine.measure,
    "engine --streams": lambda: engine.measure(pooled=False),
    "cancel": cancel.measure,
    "interference": interference.measure,
    "server": server.measure,
    "headers": headers.measure,
    "commands": commands.measure,
}
HEADER = """\
# What was measured

Written by `make bench`. Ratios tell more than absolute figures, which move from machine to
machine. The model is the shape of Qwen3-0.6B with random weights, in Q4_0 unless told otherwise;
`server.py` uses the built-in one. What it means is in
[docs/performance.md](../docs/performance.md).
"""
SECTION = "\n## "


def machine() -> str:
    """The machine and the versions, as lines."""
    memory = psutil.virtual_memory().total / 2**30
    lines = {
        "Machine": f"{processor()}, {psutil.cpu_count()} cores, {memory:.0f} GiB",
        "Load before": f"{psutil.getloadavg()[0]:.1f}",
        "System": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "Puna": f"{__version__}, {commit()}",
        "Engine": f"xllamacpp {abi.VERSION}",
        "Day": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())


def processor() -> str:
    """The processor's name, where the system tells it."""
    told = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", told.read_text()) if told.exists() else None
    return found[1] if found else platform.processor()


def commit() -> str:
    """The commit that was measured."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(
        command, cwd=RESULTS.parent, capture_output=True, text=True, check=False
    ).stdout.strip()


def sections(text: str) -> dict[str, str]:
    """The sections of a file, by name."""
    each = (section.partition("\n") for section in text.split(SECTION)[1:])
    return {name: body.strip() for name, _, body in each}


def main(names: list[str]) -> None:
    for name, measure in PARTS.items():
        script, _, options = name.partition(" ")
        if names and script not in names:
            continue
        print(f"## {name}", flush=True)
        before = machine()
        found = table(measure())
        print(found, flush=True)
        command = f"python benchmarks/{script}.py {options}".strip()
        put(name, f"{before}\n- Command: `{command}`\n\n{found}")


def put(name: str, body: str) -> None:
    """Write a section in place of what it was; the others stay."""
    found = sections(RESULTS.read_text() if RESULTS.exists() else "") | {name: body}
    order = [*PARTS, *(other for other in found if other not in PARTS)]
    written = [f"{SECTION}{name}\n\n{found[name]}\n" for name in order if name in found]
    RESULTS.write_text("".join([HEADER, *written]))


if __name__ == "__main__":
    main(sys.argv[1:])
