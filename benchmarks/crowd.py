"""Many clients at once: Puna through HTTP against its engine alone and against llama.cpp's server.

Usage: python benchmarks/crowd.py [--rounds N] [--clients 1,4,16] [--minutes N] [--pool] [PART...]

The parts are `alone` (against the engine by itself), `servers` (against the peer, as it comes and
at its best) and `newcomers` (who come while others' answers run). Each of Puna's places has as much
context as one of the peer's at its best; with --pool they share one that any may fill, as a model
comes by itself where so many whole contexts do not fit.

All run on the same library: the native one that `peer.py` builds. In each round each subject is
measured once while the others are stopped, every second round in the opposite order, and the ratios
are those of one round. Whoever was stopped first answers a short question, since its memory has
gone cold meanwhile. What fails is told and left out; after so many minutes nothing more is begun. A
round of all three takes about five minutes on two quiet cores.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import alone
import make_model
import newcomers
import peer
import servers
from figures import Figures
from findings import Finding, table
from newcomers import DEFAULTS, TUNED, WARM, warmed
from spent import Spent

TOKENS, CLIENTS, ROUNDS, MINUTES = 64, (1, 4, 16, 64), 3, 40.0
# So many clients are more than have a place at once; each then asks for less, as it takes long.
MANY, FEW_TOKENS = 64, 32
SEQUENCES = 16
# As much context as one conversation needs for each place.
ROOM = SEQUENCES * servers.CONTEXT
# What could be the peer's best for many clients: each is tried, and the best is compared with.
TRIED = [
    ("-np", f"{SEQUENCES}", "-c", f"{ROOM}", "-fa", "on", "--cache-ram", "0", pool)
    for pool in ("-kvu", "-no-kvu")
]


class Asked(NamedTuple):
    """What is to be measured, and whether Puna's places share one context."""

    rounds: int
    clients: Sequence[int]
    pool: bool


async def crowd(server: servers.Server, clients: int, turn: int) -> tuple[float, int, int]:
    """The seconds of so many clients that ask at once, and their prompts' and answers' tokens."""
    texts = [servers.prompt(f"{turn} {clients} {one}", TOKENS) for one in range(clients)]
    began = time.perf_counter()
    asked = await asyncio.gather(*(server.ask(text, tokens_of(clients)) for text in texts))
    async with asyncio.TaskGroup() as group:
        for one in asked:
            group.create_task(one.end())
    seconds = time.perf_counter() - began
    told = [server.told(one) for one in asked]
    return seconds, sum(one.prompt_tokens for one in told), sum(one.output_tokens for one in told)


def at(server: servers.Server, clients: int, turn: int) -> tuple[float, int, int]:
    """The same at a server that computes only meanwhile."""
    return warmed(server).awake(crowd(server, clients, turn))


def tokens_of(clients: int) -> int:
    """How many tokens each of so many clients asks for."""
    return TOKENS if clients < MANY else FEW_TOKENS


def ours(asked: Asked, weights: Path, library: Path, stack: ExitStack) -> servers.Server:
    """Puna with the room that the peer's best has."""
    room = ROOM if asked.pool else servers.CONTEXT
    started = servers.puna(weights, library, SEQUENCES, PUNA_CONTEXT=f"{room}")
    return warmed(stack.enter_context(started))


def against_alone(figures: Figures, asked: Asked) -> list[Finding]:
    """Through HTTP against the engine's own loop, with equal caches, prompts and histories."""
    weights, library = make_model.model(), peer.library()
    with ExitStack() as stack:
        server = ours(asked, weights, library, stack)
        spent = Spent(server)
        placement = servers.placement(server)
        print(f"Both are placed so: {placement}", flush=True)
        bare = stack.enter_context(alone.engine(weights, library, placement))
        bare.crowd(1, WARM, WARM, 0)  # So that nobody measures while it loads.
        for turn in range(asked.rounds):
            for count in asked.clients:
                what = f"throughput, {count} clients"
                figures.measure(what, _pair, figures, what, server, bare, spent, count, turn)
    found = list[Finding]()
    for count in asked.clients:
        what = f"throughput, {count} clients"
        found += figures.found(what, "puna", "tokens/s")
        found += figures.found(what, "the engine alone", "tokens/s", f"{what}: the engine alone")
        found += figures.against(what, "puna", "the engine alone", 0.95, "higher")
        for who in (*Spent.WHO, "the engine alone"):
            said = f"CPU a token, {count} clients: {who}"
            found += figures.found(f"CPU, {count}", who, "µs", said)
    return found


def _pair(
    figures: Figures,
    what: str,
    server: servers.Server,
    bare: alone.Engine,
    spent: Spent,
    count: int,
    turn: int,
) -> None:
    warmed(server)
    before = spent.seconds()
    seconds, prompts, tokens = server.awake(crowd(server, count, turn))
    used = {who: now - before[who] for who, now in spent.seconds().items()}
    bare.crowd(1, WARM, WARM, 0)
    by_itself = bare.crowd(count, prompts // count, tokens_of(count), turn + 1)
    speeds = {
        "puna": tokens / seconds,
        "the engine alone": count * tokens_of(count) / by_itself.seconds,
    }
    for who, speed in speeds.items():
        figures.put(what, who, turn, speed)
    used["the engine alone"] = by_itself.cpu
    each = {who: cpu / tokens * 1e6 for who, cpu in used.items()}
    for who, cpu in each.items():
        figures.put(f"CPU, {count}", who, turn, cpu)
    print(count, prompts // count, _short(speeds), "CPU:", _short(each), flush=True)


def against_servers(figures: Figures, asked: Asked) -> list[Finding]:
    """Against the peer as it comes, and with the best of the flags that are tried."""
    weights, (program, library) = make_model.model(), peer.build()
    best = _best(figures, weights, program)
    with ExitStack() as stack:
        subjects = [
            ours(asked, weights, library, stack),
            warmed(stack.enter_context(servers.peer(DEFAULTS, weights, program))),
            warmed(stack.enter_context(servers.peer(TUNED, weights, program, *best))),
        ]
        for turn in range(asked.rounds):
            for count in asked.clients:
                what = f"throughput, {count} clients"
                for one in subjects[:: -1 if turn % 2 else 1]:
                    told = figures.measure(f"{what}, {one.name}", at, one, count, turn)
                    if told is not None:
                        figures.put(f"{what} beside", one.name, turn, told[2] / told[0])
                        print(count, one.name, round(told[2] / told[0], 1), flush=True)
    found = list[Finding]()
    for count in asked.clients:
        what, said = f"throughput, {count} clients beside", f"throughput, {count} clients"
        for name, goal in ((DEFAULTS, 1.3), (TUNED, 1.0)):
            least = goal if count == SEQUENCES else None
            found += figures.against(what, "puna", name, least, "higher", said)
    return found


def _best(figures: Figures, weights: Path, program: Path) -> tuple[str, ...]:
    """The flags with which the peer is fastest for as many as have a place."""
    rates = dict[tuple[str, ...], float]()
    for flags in TRIED:
        with servers.peer("llama-server, tried", weights, program, *flags) as one:
            told = figures.measure(f"{flags}", at, one, SEQUENCES, -2)
            rates[flags] = told[2] / told[0] if told else 0.0
    best = max(TRIED, key=lambda flags: rates[flags])
    print(f"The peer's best: {' '.join(best)} of {_short(rates)}", flush=True)
    return best


def _short(figures: Mapping[Any, float]) -> dict[str, float]:
    return {str(name): round(one, 1) for name, one in figures.items()}


PARTS: dict[str, Callable[[Figures, Asked], list[Finding]]] = {
    "alone": against_alone,
    "servers": against_servers,
    "newcomers": lambda figures, asked: newcomers.measure(figures, asked.rounds),
}


def measure(asked: Asked, minutes: float, parts: Sequence[str]) -> list[Finding]:
    """All parts; one that fails does not lose the others' figures."""
    figures, found = Figures(minutes), list[Finding]()
    for part in parts:
        told = figures.measure(part, PARTS[part], figures, asked)
        found += told or ()
        print(f"{part}: {figures.minutes:.1f} minutes so far\n{table(told or ())}", flush=True)
    return found


def usual() -> list[Finding]:
    """All parts, as they are measured where nothing else is said."""
    return measure(Asked(ROUNDS, CLIENTS, pool=False), MINUTES, [*PARTS])


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--clients", default=",".join(map(str, CLIENTS)))
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--pool", action="store_true")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    options = parser.parse_args()
    # However it is ended, it ends its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    clients = tuple(map(int, options.clients.split(",")))
    asked = Asked(options.rounds, clients, options.pool)
    print(table(measure(asked, options.minutes, options.parts or [*PARTS])))


if __name__ == "__main__":
    main()
