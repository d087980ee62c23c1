"""A whole run: every load, every round, every server in turn."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from puna import __version__
from puna.bench.arrivals import Clients, Load
from puna.bench.asking import Answer, Ask, Message
from puna.bench.dialect import Manner
from puna.bench.playing import Limit, Player, Round
from puna.bench.report import Report, Stage, Subject, stage
from puna.bench.server import Api, Server, find
from puna.bench.wire import Address, Wires
from puna.bench.words import Words, measured
from puna.bench.workloads import Work
from puna.errors import Unreachable


@dataclass(frozen=True, slots=True)
class Target:
    """A server to measure, before it was found."""

    address: Address
    api: Api
    manner: Manner
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured."""

    targets: tuple[Target, ...]
    work: Work
    loads: tuple[Load, ...]
    limit: Limit
    rounds: int = 1
    warmup: int = 1
    seed: int = 1
    patience: float = 600.0


class Watch(Protocol):
    """Whoever looks on."""

    def begin(self, what: str, limit: Limit) -> None:
        """A round begins."""
        ...

    def answered(self, answer: Answer) -> None:
        """An answer came."""
        ...


class Nobody:
    """Looks on and says nothing."""

    def begin(self, what: str, limit: Limit) -> None:
        """A round begins."""

    def answered(self, answer: Answer) -> None:
        """An answer came."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A server that was found, and the words to use with it."""

    server: Server
    words: Words


async def run(plan: Plan, watch: Watch) -> Report:
    """Measure all that is planned."""
    with ExitStack() as stack:
        entrants = [await _enter(stack, plan, target, watch) for target in plan.targets]
        stages = [await _stage(plan, number, entrants, watch) for number in range(len(plan.loads))]
    return Report(
        puna=__version__,
        workload=plan.work.workload,
        prompt=plan.work.prompt.text,
        output=plan.work.output.text if plan.work.output else "as the prompt",
        seed=plan.seed,
        subjects=[_subject(one) for one in entrants],
        stages=stages,
    )


async def _enter(stack: ExitStack, plan: Plan, target: Target, watch: Watch) -> Entrant:
    """Find a server, have it load the model, and learn how it counts."""
    wires = Wires(target.address, target.key, plan.patience)
    stack.callback(wires.close)
    watch.begin(f"{target.address}: the words' lengths", Limit())
    server = await find(wires, target.api, target.manner)

    async def count(text: str) -> int:
        ask = Ask(plan.work.kind, (Message("user", plan.work.framed(text)),), 1)
        answer = await server.ask(ask)
        watch.answered(answer)
        if answer.fault not in (None, "miscounted") or not answer.told.prompt_tokens:
            raise Unreachable(f"{target.address}: {answer.told.error}")
        return answer.told.prompt_tokens

    words = await measured(count)
    # What cannot be asked shows before anything is measured.
    next(plan.work.scripts(words, "shape", "words"))
    return Entrant(server, words)


async def _stage(plan: Plan, number: int, entrants: Sequence[Entrant], watch: Watch) -> Stage:
    load = plan.loads[number]
    played: list[list[Round]] = [[] for _ in entrants]
    if plan.warmup:
        for index, entrant in enumerate(entrants):
            watch.begin(_named(load, entrant, "warm-up"), Limit(plan.warmup))
            await _play(plan, Limit(plan.warmup), load, entrant, f"{number}/warm", index, watch)
    for turn in range(plan.rounds):
        order = list(enumerate(entrants))
        for index, entrant in order if turn % 2 == 0 else reversed(order):
            limit = _limit(plan.limit, load)
            watch.begin(_named(load, entrant, f"round {turn + 1} of {plan.rounds}"), limit)
            seed = f"{number}/{turn}"
            played[index].append(await _play(plan, limit, load, entrant, seed, index, watch))
    return stage(load, played)


async def _play(
    plan: Plan, limit: Limit, load: Load, entrant: Entrant, seed: str, index: int, watch: Watch
) -> Round:
    """One round: of the same lengths and arrivals for each server, but of words of its own.

    Two addresses may be one server, which then has nothing of the other's in its cache.
    """
    shape = f"{plan.seed}/{seed}"
    scripts = plan.work.scripts(entrant.words, shape, f"{shape}/{index}")
    player = Player(entrant.server, load, scripts, limit, watch.answered)
    return await player.play(shape)


def _limit(limit: Limit, load: Load) -> Limit:
    """The limit that was given, else twice as many requests as clients."""
    if limit.requests is not None or limit.seconds is not None:
        return limit
    return Limit(max(8, 2 * load.count) if isinstance(load, Clients) else 32)


def _named(load: Load, entrant: Entrant, what: str) -> str:
    many = (
        f"{load.count} clients" if isinstance(load, Clients) else f"{load.each_second:g} a second"
    )
    return f"{entrant.server.address}, {many}, {what}"


def _subject(entrant: Entrant) -> Subject:
    server, words = entrant.server, entrant.words
    return Subject(
        str(server.address),
        server.dialect.name,
        server.manner.model,
        words.each,
        words.alone - words.each,
    )
