"""The file of what was measured: each section is written alone, and the others stay."""

import datetime
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import psutil

from puna import __version__
from puna.engine import abi

RESULTS = Path(__file__).with_name("results.md")
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
        "Engine": f"xllamacpp {abi.VERSION}" + ", built natively" * ("PUNA_ENGINE" in os.environ),
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


def put(name: str, body: str, order: Iterable[str] = (), file: Path = RESULTS) -> None:
    """Write a section in place of what it was; the others stay."""
    found = sections(file.read_text() if file.exists() else "") | {name: body}
    names = dict.fromkeys((*order, *found))
    written = [f"{SECTION}{name}\n\n{found[name]}\n" for name in names if name in found]
    file.write_text("".join([HEADER, *written]))
