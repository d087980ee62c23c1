"""How soon commands that ask a server are done, against a server with a hundred models.

Usage: python benchmarks/commands.py
"""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request

from findings import Finding, median, table
from started import SERVE, started

RUNS = 15
MODELS = 100


def copy(address: str, name: str) -> None:
    body = f'{{"source": "cria", "destination": "{name}"}}'.encode()
    urllib.request.urlopen(f"http://{address}/api/copy", body).read()


def seconds(address: str, *words: str) -> tuple[float, float]:
    """Of one command: until it has ended, and of its CPU."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "puna", *words],
        env=os.environ | {"PUNA_HOST": address},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    took, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system
    return took, used - before.children_user - before.children_system


def measure() -> list[Finding]:
    findings: list[Finding] = []
    with (
        tempfile.TemporaryDirectory(prefix="puna-home-") as home,
        started((*SERVE, "--home", home)) as (address, _),
    ):
        for number in range(MODELS):
            copy(address, f"copy:{number}")
        for words, bound in ((("ls",), 0.25), (("ps",), 0.25), (("show", "cria"), None)):
            runs = [seconds(address, *words) for _ in range(RUNS)]
            took, used = zip(*runs, strict=True)
            name = f"puna {' '.join(words)}"
            findings.append(median(name, took, "s", bound))
            findings.append(median(f"{name}, its CPU", used, "s"))
    return findings


if __name__ == "__main__":
    print(table(measure()))
