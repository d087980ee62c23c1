"""What a whole run found, as data: what `--json` prints, and what tables and plots are made of."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from puna.bench.arrivals import Clients, Load
from puna.bench.asking import Answer, Fault
from puna.bench.measures import Figures, Ratio, Spread, figures, ratio
from puna.bench.playing import Round

# Of each kind of failure, so many different messages are told.
EXAMPLES = 3


class Subject(msgspec.Struct, frozen=True):
    """A server as it was asked; the words that were used cost `word_tokens` each."""

    url: str
    api: str
    model: str
    word_tokens: int
    template_tokens: int


class Measured(msgspec.Struct, frozen=True):
    """One server under one load: round by round, and all together."""

    subject: int
    rounds: list[Figures]
    all: Figures
    errors: list[str]


class Comparison(msgspec.Struct, frozen=True):
    """The first server by another, figure by figure."""

    subject: int
    ratios: dict[str, Ratio]


class Stage(msgspec.Struct, frozen=True):
    """One load: so many clients, or so many arrivals a second."""

    clients: int | None
    rate: float | None
    measured: list[Measured]
    comparisons: list[Comparison]


class Report(msgspec.Struct, frozen=True):
    """The whole run."""

    puna: str
    workload: str
    prompt: str
    output: str
    seed: int
    subjects: list[Subject]
    stages: list[Stage]

    @property
    def all_failed(self) -> bool:
        """Whether no server gave a single good answer."""
        each = [measured.all for stage in self.stages for measured in stage.measured]
        return all(sum(one.failed.values()) == one.requests for one in each)


def _p50(spread: Spread | None) -> float:
    return spread.p50 if spread else 0.0


COMPARED: dict[str, Callable[[Figures], float]] = {
    "output_rate": lambda one: one.output_rate,
    "prompt_rate": lambda one: one.prompt_rate,
    "request_rate": lambda one: one.request_rate,
    "first": lambda one: _p50(one.first),
    "token": lambda one: _p50(one.token),
    "whole": lambda one: _p50(one.whole),
}


def stage(load: Load, played: Sequence[Sequence[Round]]) -> Stage:
    """A stage, of each server's rounds."""
    measured = [_measured(number, rounds) for number, rounds in enumerate(played)]
    closed = isinstance(load, Clients)
    return Stage(
        load.count if closed else None,
        None if closed else load.each_second,
        measured,
        [_compared(measured[0], other) for other in measured[1:]],
    )


def _measured(number: int, rounds: Sequence[Round]) -> Measured:
    each = [figures([one]) for one in rounds]
    return Measured(
        number, each, figures(rounds), _errors(one for r in rounds for one in r.answers)
    )


def _compared(ours: Measured, theirs: Measured) -> Comparison:
    ratios = dict[str, Ratio]()
    for name, of in COMPARED.items():
        pairs = [(of(a), of(b)) for a, b in zip(ours.rounds, theirs.rounds, strict=True)]
        if (found := ratio(pairs)) is not None:
            ratios[name] = found
    return Comparison(theirs.subject, ratios)


def _errors(answers: Iterable[Answer]) -> list[str]:
    """Of each kind of failure the first few messages that differ."""
    found: dict[Fault, dict[str, None]] = {}
    for answer in answers:
        if answer.fault is not None:
            known = found.setdefault(answer.fault, {})
            if len(known) < EXAMPLES:
                known[answer.told.error] = None
    return [f"{fault}: {error}" for fault, errors in found.items() for error in errors]
