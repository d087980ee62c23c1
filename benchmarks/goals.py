"""What the native engine has to reach, each goal in one run.

Usage: python benchmarks/goals.py [--rounds N] [bandwidth engines bench crowd]

All on two libraries: the embedded one, and the one that `peer.py` builds from the same source and
that Puna and its peer then run on. Whatever is compared is measured in turns.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from itertools import product
from pathlib import Path

import make_model
import peer
import psutil
import servers
import uvloop
from bandwidth import Memory
from findings import Finding, median, table
from stepper import stepping

from puna.bench.arrivals import Clients
from puna.bench.dialect import Manner
from puna.bench.lengths import read_lengths
from puna.bench.playing import Limit
from puna.bench.report import Report
from puna.bench.server import Api, read_address
from puna.bench.sweep import Nobody, Plan, Target, run
from puna.bench.workloads import Work, Workload

QUANTIZATIONS = ("Q4_0", "Q8_0")
THREADS = psutil.cpu_count(logical=False) or 1
PREFILL, PROMPT, OUTPUT = 256, 16, 64
CLIENTS, IN, OUT = 16, 64, 64
ROOM = CLIENTS * 256
# What could be the peer's best for many clients: each is tried, and the best is compared with.
TRIED = [
    ("-np", f"{CLIENTS}", "-c", f"{ROOM}", "-fa", attention, "--cache-ram", "0", pool)
    for attention, pool in product(("on", "off"), ("-kvu", "-no-kvu"))
]


def bandwidth(rounds: int) -> list[Finding]:
    """How much of what memory can give decoding takes, with weights alone counted."""
    memory, found = Memory(THREADS), list[Finding]()
    for quantization, goal in zip(QUANTIZATIONS, (0.65, 0.85), strict=True):
        weights, shares, speeds = make_model.model(quantization=quantization), [], []
        with stepping(weights, library()) as native:
            for _ in range(rounds):
                limit = max(memory.read() for _ in range(3))
                speeds.append(limit / 1e9)
                shares.append(native.decode(PROMPT, OUTPUT) * weights.stat().st_size / limit)
        found.append(median(f"memory, read by {THREADS} threads", speeds, "GB/s"))
        what = f"decode of {quantization}: part of the memory's bandwidth"
        found.append(median(what, shares, "", goal, "higher"))
    return found


def engines(rounds: int) -> list[Finding]:
    """The native library against the embedded one, without anything around them."""
    found = list[Finding]()
    for quantization in QUANTIZATIONS:
        weights, ratios = (
            make_model.model(quantization=quantization),
            defaultdict[str, list[float]](list),
        )
        speeds = defaultdict[str, list[float]](list)
        with stepping(weights, library()) as native, stepping(weights, None) as embedded:
            for _ in range(rounds):
                pairs = {
                    "prefill": (native.prefill(PREFILL), embedded.prefill(PREFILL)),
                    "decode": (native.decode(PROMPT, OUTPUT), embedded.decode(PROMPT, OUTPUT)),
                }
                for name, (ours, theirs) in pairs.items():
                    speeds[name].append(ours)
                    ratios[name].append(ours / theirs)
        for name, goal in (("prefill", 2.0), ("decode", 1.5)):
            what = f"{name}, {quantization}"
            found.append(median(f"{what}: tokens a second, native", speeds[name]))
            found.append(median(f"{what}: native by embedded", ratios[name], "", goal, "higher"))
    return found


def bench(rounds: int) -> list[Finding]:
    """One client through Puna against llama.cpp's own benchmark of the same build."""
    weights, ratios, speeds = make_model.model(), list[float](), list[float]()
    with servers.puna(weights, library(), None) as server:
        for _ in range(rounds):
            told = report(
                [server], rounds=1, clients=1, workload="complete", lengths=(PROMPT, OUTPUT)
            )
            token = told.stages[0].measured[0].all.token
            assert token is not None
            speeds.append(1 / token.p50)
            server.pause()
            ratios.append(speeds[-1] / llama_bench(weights))
            server.go_on()
    return [
        median("decode through Puna: tokens a second", speeds),
        median("decode through Puna by llama-bench", ratios, "", 0.97, "higher"),
    ]


def crowd(rounds: int) -> list[Finding]:
    """Many clients through Puna against llama.cpp's own server, as it comes and at its best."""
    weights = make_model.model()
    rates = dict[tuple[str, ...], float]()
    for options in TRIED:
        with servers.peer("tried", weights, program(), *options) as one:
            told = report([one], 1, CLIENTS, "single", (IN, OUT)).stages[0]
            rates[options] = told.measured[0].all.output_rate
    best = max(TRIED, key=lambda one: rates[one])
    with (
        servers.puna(weights, library(), None) as ours,
        servers.peer("its defaults", weights, program()) as default,
        servers.peer("its best", weights, program(), *best) as tuned,
    ):
        told = report([ours, default, tuned], rounds, CLIENTS, "single", (IN, OUT)).stages[0]
    what = f"throughput, {CLIENTS} clients, {IN} in, {OUT} out"
    found = [
        median(f"{what}: tokens a second", [one.output_rate for one in told.measured[0].rounds])
    ]
    for one, name, goal in zip(
        told.comparisons, ("its defaults", f"its best ({' '.join(best)})"), (1.3, 1.0), strict=True
    ):
        pairs = one.ratios["output_rate"].pairs
        found.append(median(f"{what}: Puna by llama-server, {name}", pairs, "", goal, "higher"))
    return found


def report(
    subjects: list[servers.Server],
    rounds: int,
    clients: int,
    workload: Workload,
    lengths: tuple[int, int],
) -> Report:
    """What `puna bench` tells of servers."""
    prompt, output = (read_lengths(str(length)) for length in lengths)
    plan = Plan(
        targets=tuple(target(one) for one in subjects),
        work=Work(workload, prompt, output),
        loads=(Clients(clients),),
        limit=Limit(max(4, clients)),
        rounds=rounds,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(run(plan, Nobody()))
    if any(one.errors for stage in told.stages for one in stage.measured):
        raise RuntimeError([one.errors for stage in told.stages for one in stage.measured])
    return told


def target(server: servers.Server) -> Target:
    """A server as `puna bench` asks it."""
    api: Api = "ollama" if server.name == "puna" else "openai"
    return Target(read_address(server.address), api, Manner("measured", 0.8))


def llama_bench(weights: Path) -> float:
    """Tokens a second, by the peer's own tool."""
    command = [program().with_name("llama-bench"), "-m", weights, "-t", str(THREADS), "-p", "0"]
    command += ["-n", str(OUTPUT), "-d", str(PROMPT), "-r", "3", "-o", "json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)[0]["avg_ts"])


@cache
def built() -> tuple[Path, Path]:
    with redirect_stdout(sys.stderr):
        return peer.build()


def program() -> Path:
    """The peer's server."""
    return built()[0]


def library() -> Path:
    """The native library."""
    return built()[1]


PARTS: dict[str, Callable[[int], list[Finding]]] = {
    "bandwidth": bandwidth,
    "engines": engines,
    "bench": bench,
    "crowd": crowd,
}


def measure(rounds: int = 5, names: list[str] | None = None) -> list[Finding]:
    """Every goal."""
    return [found for name in names or PARTS for found in PARTS[name](rounds)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("names", nargs="*", choices=[*PARTS, []])
    options = parser.parse_args()
    print(table(measure(options.rounds, options.names)))
