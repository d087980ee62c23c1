"""Many clients at once: Puna through HTTP against its engine alone and against llama.cpp's server.

Usage: python benchmarks/crowd.py [--rounds N] [--clients 1,4,16,64] [--no-newcomers]

All run on the same library: the native one that `peer.py` builds. In each round each subject is
measured once while the others are stopped, every second round in the opposite order, and the
ratios are those of one round. Three rounds take about eight minutes on two cores.
"""

import argparse
import asyncio
import json
import os
import signal
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
# So many clients are more than have a place at once; each then asks for less, as it takes long.
MANY, FEW_TOKENS = 64, 32
_PATIENT = aiohttp.ClientTimeout(total=900)
BEST = ("-np", "16", "-c", "40960", "-fa", "on", "-kvu", "--cache-ram", "0")
DEFAULTS = "llama-server, its defaults"
TUNED = "llama-server, its best"
# How many decode beside the newcomer, up to how many tokens, and how many before it comes.
RUNNING, RUNNING_TOKENS, SETTLED = 8, 1500, 8
NEWCOMERS = {"short": 64, "long": 2000}


async def crowd(server: servers.Server, clients: int, seed: int) -> float:
    """Output tokens a second of so many clients that all ask at once."""
    most = tokens_of(clients)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=_PATIENT) as session:
        began = time.perf_counter()
        told = await asyncio.gather(
            *(
                server.ask(session, servers.prompt(seed * 1000 + one, TOKENS), most)
                for one in range(clients)
            )
        )
        seconds = time.perf_counter() - began
    return sum(one.output_tokens for one in told) / seconds


def tokens_of(clients: int) -> int:
    """How many tokens each of so many clients asks for."""
    return TOKENS if clients < MANY else FEW_TOKENS


async def newcomer(server: servers.Server, words: int, seed: int) -> tuple[float, float]:
    """The newcomer's seconds to its first token, and the others' 95th percentile between two."""
    others = [servers.Told(0.0) for _ in range(RUNNING)]
    async with aiohttp.ClientSession(timeout=_PATIENT) as session:
        tasks = [
            asyncio.create_task(
                server.ask(session, servers.prompt(seed * 1000 + one, 16), RUNNING_TOKENS, told)
            )
            for one, told in enumerate(others)
        ]
        # Not each of them, since a server may have fewer places.
        while sum(len(one.pieces) for one in others) < SETTLED * RUNNING:  # noqa: ASYNC110 - a count grows
            await asyncio.sleep(0.05)
        told = await server.ask(session, servers.prompt(seed * 1000 + 500, words), 1)
        if all(task.done() for task in tasks):
            raise RuntimeError("The others ended before the newcomer's first token.")
        # Each gap that the newcomer fell into is over before they are let go.
        await asyncio.sleep(1.0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    # A server that is stopped before it has noticed would go on with them the next time.
    await asyncio.sleep(0.5)
    gaps = [
        later - sooner
        for one in others
        for sooner, later in pairwise(one.pieces)
        if later > told.began and sooner < told.first_piece
    ]
    return told.first, percentile(gaps, 0.95)


def alone(weights: Path, library: Path | None, clients: int, sequences: int) -> float:
    """Output tokens a second of the engine by itself, in a process of its own."""
    environment = dict(os.environ) | ({"PUNA_ENGINE": str(library)} if library else {})
    command = [sys.executable, __file__, "--engine", str(weights), str(clients), str(sequences)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def run_engine(weights: Path, clients: int, sequences: int) -> float:
    """The engine's own loop over as many requests."""
    import subject

    from puna.engine.layout import first

    placement = Placement(context=40_960, sequences=sequences, pooled=True)
    with (
        subject.opened(weights, placement) as model,
        subject.context(model, placement, first(model, placement)) as context,
        subject.engine(context) as engine,
    ):
        engine.engine.submit(subject.request("warm", subject.prompt(0, 8), 2))
        engine.finish("warm")
        names, most = [str(one) for one in range(clients)], tokens_of(clients)
        began = time.perf_counter()
        for one in names:
            tokens = subject.prompt(int(one) + 1, TOKENS)
            engine.engine.submit(subject.request(one, tokens, most, subject.Sampling()))
        engine.finish(*names)
        return clients * most / (time.perf_counter() - began)


def measure(
    rounds: int = 3, clients: tuple[int, ...] = (1, 4, 16, 64), newcomers: bool = True
) -> list[Finding]:
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
            warm = asyncio.run(crowd(server, 1, 999))
            print(f"{server.name} is warm: {warm:.1f} tokens a second", flush=True)
            server.pause()
        for turn in range(rounds):
            for count in clients:
                _round_of_crowds(found, subjects, weights, library, count, turn)
            for kind in NEWCOMERS if newcomers else ():
                _round_of_newcomers(found, subjects, kind, turn)
            subjects.reverse()
    return [*_throughput(found, clients), *(_newcomers(found) if newcomers else ())]


def _round_of_crowds(
    found: dict[str, list[float]],
    subjects: list[servers.Server],
    weights: Path,
    library: Path,
    count: int,
    turn: int,
) -> None:
    speeds = {one.name: _awake(one, crowd(one, count, turn + 1)) for one in subjects}
    speeds["engine"] = alone(weights, library, count, 16)
    print(count, {name: round(one, 1) for name, one in speeds.items()}, flush=True)
    for name, speed in speeds.items():
        found[f"{count} {name}"].append(speeds["puna"] / speed)
    found[f"{count} speed"].append(speeds["puna"])


def _round_of_newcomers(
    found: dict[str, list[float]], subjects: list[servers.Server], kind: str, turn: int
) -> None:
    words = NEWCOMERS[kind]
    waits = {one.name: _awake(one, newcomer(one, words, turn + 51)) for one in subjects}
    print(kind, waits, flush=True)
    for name, (first, gap) in waits.items():
        found[f"{kind} {name}"].append(waits["puna"][0] / first)
        found[f"{kind} gaps {name}"].append(waits["puna"][1] / gap)
    found[f"{kind} first"].append(waits["puna"][0])


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
    parser.add_argument("--newcomers", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    # However it is ended, it ends its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    clients = tuple(map(int, options.clients.split(",")))
    print(table(measure(options.rounds, clients, options.newcomers)))


if __name__ == "__main__":
    main()
