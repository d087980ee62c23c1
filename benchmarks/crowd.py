"""Many clients at once: Puna through HTTP against its engine alone and against llama.cpp's server.

Usage: python benchmarks/crowd.py [--rounds N] [--clients 1,4,16,64]

All run on the same library: the native one that `peer.py` builds. In each round each subject is
measured once, in turn, while the others are stopped, and the ratios are those of one round.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import make_model
import peer
import servers
from findings import Finding, median, percentile, table

from puna.protocol import Placement

Result = TypeVar("Result")
TOKENS = 64
_PATIENT = aiohttp.ClientTimeout(total=900)
BEST = ("-np", "16", "-c", "40960", "-fa", "on", "-kvu", "--cache-ram", "0")
DEFAULTS = "llama-server, its defaults"
TUNED = "llama-server, its best"
RUNNING, RUNNING_TOKENS = 8, 400
NEWCOMERS = {"short": 64, "long": 2000}


async def crowd(server: servers.Server, clients: int, seed: int) -> float:
    """Output tokens a second of so many clients that all ask at once."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=_PATIENT) as session:
        began = time.perf_counter()
        told = await asyncio.gather(
            *(
                server.ask(session, servers.prompt(seed * 1000 + one, TOKENS), TOKENS)
                for one in range(clients)
            )
        )
        seconds = time.perf_counter() - began
    return sum(one.output_tokens for one in told) / seconds


async def newcomer(server: servers.Server, words: int, seed: int) -> tuple[float, float]:
    """The newcomer's seconds to its first token, and the others' 95th percentile between two."""
    async with aiohttp.ClientSession(timeout=_PATIENT) as session:
        others = [
            asyncio.create_task(
                server.ask(session, servers.prompt(seed * 1000 + one, 16), RUNNING_TOKENS)
            )
            for one in range(RUNNING)
        ]
        await asyncio.sleep(6.0)
        told = await server.ask(session, servers.prompt(seed * 1000 + 500, words), 1)
        arrived, first = told.began, told.pieces[0]
        gaps = list[float]()
        for each in others:
            pieces = (await each).pieces
            gaps += [
                later - sooner
                for sooner, later in pairwise(pieces)
                if later > arrived and sooner < first
            ]
    return told.first, percentile(gaps, 0.95) if gaps else float("nan")


def alone(weights: Path, library: Path | None, clients: int, sequences: int) -> float:
    """Output tokens a second of the engine by itself, in a process of its own."""
    environment = dict(os.environ) | ({"PUNA_ENGINE": str(library)} if library else {})
    command = [sys.executable, __file__, "--engine", str(weights), str(clients), str(sequences)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def run_engine(weights: Path, clients: int, sequences: int) -> float:
    """The engine's own loop over as many requests."""
    import subject

    placement = Placement(context=40_960, sequences=sequences, pooled=True)
    with (
        subject.opened(weights, placement) as model,
        subject.context(model, placement) as context,
        subject.engine(context) as engine,
    ):
        engine.engine.submit(subject.request("warm", subject.prompt(0, 8), 2))
        engine.finish("warm")
        names = [str(one) for one in range(clients)]
        began = time.perf_counter()
        for one in names:
            tokens = subject.prompt(int(one) + 1, TOKENS)
            engine.engine.submit(subject.request(one, tokens, TOKENS, subject.Sampling()))
        engine.finish(*names)
        return clients * TOKENS / (time.perf_counter() - began)


def measure(rounds: int = 3, clients: tuple[int, ...] = (1, 4, 16, 64)) -> list[Finding]:
    """Every ratio, round by round."""
    weights = make_model.model()
    program, library = peer.build()
    found = defaultdict[str, list[float]](list)
    with ExitStack() as stack:
        subjects = [
            stack.enter_context(servers.puna(weights, library, 16)),
            stack.enter_context(servers.peer(DEFAULTS, weights, program)),
            stack.enter_context(servers.peer(TUNED, weights, program, *BEST)),
        ]
        for server in subjects:
            asyncio.run(crowd(server, 1, 999))
            server.pause()
        for turn in range(rounds):
            for count in clients:
                speeds = {one.name: _awake(one, crowd(one, count, turn + 1)) for one in subjects}
                speeds["engine"] = alone(weights, library, count, 16)
                print(count, {name: round(one, 1) for name, one in speeds.items()}, flush=True)
                for name, speed in speeds.items():
                    found[f"{count} {name}"].append(speeds["puna"] / speed)
                found[f"{count} speed"].append(speeds["puna"])
            for kind, words in NEWCOMERS.items():
                waits = {one.name: _awake(one, newcomer(one, words, turn + 51)) for one in subjects}
                print(kind, waits, flush=True)
                for name, (first, gap) in waits.items():
                    found[f"{kind} {name}"].append(waits["puna"][0] / first)
                    found[f"{kind} gaps {name}"].append(waits["puna"][1] / gap)
                found[f"{kind} first"].append(waits["puna"][0])
    return [*_throughput(found, clients), *_newcomers(found)]


def _awake(server: servers.Server, asked: Coroutine[Any, Any, Result]) -> Result:
    server.go_on()
    try:
        return asyncio.run(asked)
    finally:
        server.pause()


def _throughput(found: dict[str, list[float]], clients: tuple[int, ...]) -> list[Finding]:
    goals = {"engine": (0.95, 0.95), DEFAULTS: (1.3, None), TUNED: (1.0, None)}
    listed = list[Finding]()
    for count in clients:
        what = f"throughput, {count} clients"
        listed.append(median(f"{what}: tokens a second", found[f"{count} speed"]))
        for name, (at_sixteen, elsewhere) in goals.items():
            goal = at_sixteen if count == 16 else elsewhere
            listed.append(
                median(f"{what}: against {name}", found[f"{count} {name}"], "", goal, "higher")
            )
    return listed


def _newcomers(found: dict[str, list[float]]) -> list[Finding]:
    listed = list[Finding]()
    for kind, words in NEWCOMERS.items():
        what = f"first token of {words} tokens beside {RUNNING}"
        listed.append(median(what, found[f"{kind} first"], "s"))
        for name, goal in ((DEFAULTS, 0.8), (TUNED, 1.0)):
            listed.append(median(f"{what}: against {name}", found[f"{kind} {name}"], "", goal))
            listed.append(
                median(f"the others' gaps meanwhile, against {name}", found[f"{kind} gaps {name}"])
            )
    return listed


def main() -> None:
    """Measure, or be the process that measures the engine alone."""
    if sys.argv[1:2] == ["--engine"]:
        weights, clients, sequences = sys.argv[2:5]
        print(json.dumps(run_engine(Path(weights), int(clients), int(sequences))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default="1,4,16,64")
    options = parser.parse_args()
    print(table(measure(options.rounds, tuple(map(int, options.clients.split(","))))))


if __name__ == "__main__":
    main()
