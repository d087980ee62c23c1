"""Runs every benchmark and writes what it found to benchmarks/results.md.

Usage: python benchmarks/run.py [NAME...]

By default all: engine, cancel, interference, server, headers, commands.
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
machine. The model is the shape of Qwen3-0.6B with random weights in Q4_0, but for `server.py`,
which uses the built-in one.
"""


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


def main(names: list[str]) -> None:
    sections = [HEADER, machine()]
    for name, measure in PARTS.items():
        script, _, options = name.partition(" ")
        if names and script not in names:
            continue
        print(f"## {name}", flush=True)
        found = table(measure())
        print(found, flush=True)
        command = f"python benchmarks/{script}.py {options}".strip()
        sections.append(f"\n## {name}\n\n`{command}`\n\n{found}")
    RESULTS.write_text("\n".join(sections) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
