"""How soon commands that ask a server are done, against a server with a hundred models.

Usage: python benchmarks/commands.py
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

from findings import Finding, median, table

RUNS = 15
MODELS = 100


def serve(home: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "puna", "serve", "--port", "0", "--home", home]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None
    return process, found[0]


def copy(address: str, name: str) -> None:
    body = f'{{"source": "cria", "destination": "{name}"}}'.encode()
    urllib.request.urlopen(f"{address}/api/copy", body).read()


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
    with tempfile.TemporaryDirectory(prefix="puna-home-") as home:
        process, address = serve(home)
        try:
            for number in range(MODELS):
                copy(address, f"copy:{number}")
            for words, bound in ((("ls",), 0.25), (("ps",), 0.25), (("show", "cria"), None)):
                runs = [seconds(address, *words) for _ in range(RUNS)]
                took, used = zip(*runs, strict=True)
                name = f"puna {' '.join(words)}"
                findings.append(
                    median(name, took, "s", bound) if bound else median(name, took, "s")
                )
                findings.append(median(f"{name}, its CPU", used, "s"))
        finally:
            process.terminate()
            process.wait(timeout=30)
    return findings


if __name__ == "__main__":
    print(table(measure()))
