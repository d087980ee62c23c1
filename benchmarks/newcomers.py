"""Who comes while others' answers run: how soon they are answered, and what the others feel of it.

A part of `crowd.py`. Puna keeps the others' time between two tokens at so many times what it is
without prompts (PUNA_STRETCH, by default 2); its peer lets it grow with the prompt. So there is a
second Puna, whose stretch is raised to what the others feel at the peer's best.
"""

import asyncio
import statistics
from contextlib import ExitStack
from itertools import pairwise
from typing import NamedTuple

import make_model
import peer
import servers
from asking import PATIENCE, Asked
from figures import Figures
from findings import Finding, percentile

DEFAULTS = "llama-server, its defaults"
TUNED = "llama-server, its best"
STRETCHED = "puna, stretched"
# How many decode beside the newcomer, up to how many tokens, and how many before it comes.
RUNNING, RUNNING_TOKENS, SETTLED = 8, 600, 8
KINDS = {"short": 64, "long": 2000}
# So many tokens have some text among them, whatever the first is.
ANSWERED = 4
# Places for all, each with the context that one conversation needs.
PLACES = RUNNING + 2
ROOM = PLACES * servers.CONTEXT
BEST = ("-np", f"{PLACES}", "-c", f"{ROOM}", "-fa", "on", "--cache-ram", "0", "-no-kvu")
# So many tokens, in and out, of the question that brings back what was displaced meanwhile.
WARM = 16
# Where it cannot be found out what the others feel at the peer.
USUAL_STRETCH = 20.0


class Felt(NamedTuple):
    """The newcomer's seconds to its first token; the others' between two, before and meanwhile.

    Before it is the median, meanwhile the 95th percentile.
    """

    first: float
    before: float
    meanwhile: float


async def newcomer(server: servers.Server, tokens: int, seed: str) -> Felt:
    """What a prompt of so many tokens and those who run beside it feel of each other."""
    others = [
        await server.ask(servers.prompt(f"{seed} {one}", 16), RUNNING_TOKENS)
        for one in range(RUNNING)
    ]
    ends = [asyncio.create_task(one.end()) for one in others]
    try:
        async with asyncio.timeout(PATIENCE):
            # Not of each of them, since a server may have fewer places.
            while sum(len(one.arrived) for one in others) < SETTLED * RUNNING:  # noqa: ASYNC110 - a count grows
                await asyncio.sleep(0.05)
        all_run = all(one.arrived for one in others)
        asked = await server.ask(servers.prompt(f"{seed} newcomer", tokens), ANSWERED)
        await asked.end()
        if all_run and all(end.done() for end in ends):
            raise RuntimeError("The others ended before the newcomer's first token.")
        # Each gap that the newcomer fell into is over before they are let go.
        await asyncio.sleep(1.0)
    finally:
        for end in ends:
            end.cancel()
        await asyncio.wait(ends)
        # A server that is stopped before it has noticed would go on with them the next time.
        await asyncio.sleep(0.5)
    return _felt(server, others, asked)


def at(server: servers.Server, kind: str, seed: str) -> Felt:
    """The same at a server that computes only meanwhile."""
    return warmed(server).awake(newcomer(server, KINDS[kind], f"{kind} {seed}"))


def _felt(server: servers.Server, others: list[Asked], asked: Asked) -> Felt:
    told = server.told(asked)
    if not told.pieces:
        raise RuntimeError(f"{server.name} said nothing.")
    before, meanwhile = list[float](), list[float]()
    for one in others:
        # Of who never got a place there is nothing to be told.
        pieces = server.told(one).pieces if one.arrived else []
        for sooner, later in pairwise(pieces):
            if later <= told.began:
                before.append(later - sooner)
            elif sooner < told.first_piece:
                meanwhile.append(later - sooner)
    if not (before and meanwhile):
        raise RuntimeError("The others said too little to be told how they felt.")
    return Felt(told.first, statistics.median(before), percentile(meanwhile, 0.95))


def measure(figures: Figures, rounds: int) -> list[Finding]:
    """Each kind of newcomer, at Puna as it comes, at Puna stretched, and at the peer."""
    weights, (program, library) = make_model.model(), peer.build()

    def puna(**more: str) -> servers.Server:
        started = servers.puna(weights, library, PLACES, PUNA_CONTEXT=f"{servers.CONTEXT}", **more)
        return warmed(stack.enter_context(started))

    with ExitStack() as stack:
        plain, tuned = (
            puna(),
            warmed(stack.enter_context(servers.peer(TUNED, weights, program, *BEST))),
        )
        stretch = _stretch(figures, plain, tuned)
        print(f"The others feel as much at PUNA_STRETCH={stretch:.1f}", flush=True)
        stretched = puna(PUNA_STRETCH=f"{stretch}").called(STRETCHED)
        subjects = [
            plain,
            stretched,
            tuned,
            warmed(stack.enter_context(servers.peer(DEFAULTS, weights, program))),
        ]
        for turn in range(rounds):
            for kind in KINDS:
                for one in subjects[:: -1 if turn % 2 else 1]:
                    _one(figures, one, kind, turn)
    return [found for kind in KINDS for found in _findings(figures, kind)]


def _one(figures: Figures, server: servers.Server, kind: str, turn: int) -> None:
    felt = figures.measure(f"{kind} newcomer, {server.name}", at, server, kind, f"{turn}")
    if felt is None:
        return
    print(kind, server.name, " ".join(f"{one:.3f}" for one in felt), flush=True)
    figures.put(_first(kind), server.name, turn, felt.first)
    figures.put(_gaps(kind), server.name, turn, felt.meanwhile)


def _stretch(figures: Figures, plain: servers.Server, tuned: servers.Server) -> float:
    """How much longer Puna's steps may get so that the others feel no more than at the peer."""
    calm = figures.measure("Puna's steady state", at, plain, "short", "before")
    felt = figures.measure("What the peer's others feel", at, tuned, "long", "before")
    if calm is None or felt is None:
        return USUAL_STRETCH
    return min(100.0, max(2.0, 0.9 * felt.meanwhile / calm.before))


def _findings(figures: Figures, kind: str) -> list[Finding]:
    found = list[Finding]()
    for name in ("puna", STRETCHED, TUNED, DEFAULTS):
        found += figures.found(_first(kind), name, "s", f"{_first(kind)}: {name}")
        found += figures.found(_gaps(kind), name, "s", f"{_gaps(kind)}: {name}")
    for who in ("puna", STRETCHED):
        for theirs, goal in ((DEFAULTS, 0.8), (TUNED, 1.0)):
            found += figures.against(_first(kind), who, theirs, goal, "lower")
            found += figures.against(_gaps(kind), who, theirs, None, "lower")
    return found


def _first(kind: str) -> str:
    return f"first token of {KINDS[kind]} tokens beside {RUNNING}"


def _gaps(kind: str) -> str:
    return f"the others' gaps while {KINDS[kind]} tokens come"


def warmed(server: servers.Server) -> servers.Server:
    """A server that has its model at hand and waits."""

    async def first() -> None:
        await (await server.ask(servers.prompt("warm", WARM), WARM)).end()

    server.awake(first())
    return server
