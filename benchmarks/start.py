"""How soon a server answers: from its start to its first answer, without a model.

Usage: python benchmarks/start.py
"""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request

import psutil
from findings import Finding, median, table
from started import SERVE, started

STARTS = 15
# As on people's machines: what was compiled once is compiled.
ENVIRONMENT = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}


def start() -> tuple[float, float, float]:
    """Seconds until a server says that it listens, until it answers, and of its CPU till then."""
    with tempfile.TemporaryDirectory(prefix="puna-home-") as home:
        began = time.perf_counter()
        with started((*SERVE, "--home", home), ENVIRONMENT) as (address, process):
            listens = time.perf_counter() - began
            urllib.request.urlopen(f"http://{address}/api/version").read()
            answers = time.perf_counter() - began
            times = psutil.Process(process.pid).cpu_times()
            return listens, answers, times.user + times.system


def bare() -> float:
    """Seconds of the same for nothing but the web framework that the server is made with."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import starlette.applications, uvicorn"], check=True)
    return time.perf_counter() - began


def measure() -> list[Finding]:
    start()
    rounds = [(start(), bare()) for _ in range(STARTS)]
    listens, answers, processor = zip(*(one for one, _ in rounds), strict=True)
    ratios = [answers / frameworks for (_, answers, _), frameworks in rounds]
    best = min(answers)
    return [
        median("start to first answer", answers, "s", 0.6),
        Finding("start to first answer, the best", best, "s", best, best),
        median("start to listening", listens, "s"),
        median("CPU till the first answer", processor, "s"),
        median("start to first answer, against importing starlette and uvicorn", ratios),
    ]


if __name__ == "__main__":
    print(table(measure()))
