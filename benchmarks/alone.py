"""The engine by itself in a process of its own, which works on a crowd whenever it is told to.

It lives as long as the server that it is compared with, so that its cache has the same history.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import servers
from answering import Answering, answer, answering, told

from puna.protocol import Pace, Placement


class Worked(NamedTuple):
    """How long a crowd took, and how many seconds of the processor."""

    seconds: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine in its process."""

    process: Answering

    def crowd(self, requests: int, prompt: int, most: int, seed: int) -> Worked:
        """So many requests at once, each of so many tokens, for so many more."""
        return Worked(*self.process.ask(requests, prompt, most, seed))


@contextmanager
def engine(weights: Path, library: Path, placement: dict[str, Any]) -> Iterator[Engine]:
    """An engine over this library, placed as a server says that its runner is."""
    with answering(__file__, weights, placement, library) as process:
        yield Engine(process)


def words(seed: int, count: int) -> list[int]:
    """A prompt with as few different tokens as the servers' have words: guesses pay as much."""
    import subject

    return [100 + token % servers.WORDS for token in subject.prompt(seed, count)]


def main(weights: Path, placement: Placement) -> None:
    """Work on what each line says, drawing and guessing as a server does by default."""
    import subject

    with (
        subject.opened(weights, placement) as model,
        subject.context(model, placement) as context,
        subject.engine(context, Pace()) as engine,
    ):
        turns = count()

        def crowd(requests: int, prompt: int, most: int, seed: int) -> Worked:
            turn = next(turns)
            names = [f"{turn} {one}" for one in range(requests)]
            tokens = [words(seed * 1000 + one, prompt) for one in range(requests)]
            began, cpu = time.perf_counter(), time.process_time()
            for name, its in zip(names, tokens, strict=True):
                engine.engine.submit(subject.request(name, its, most, subject.Sampling()))
            engine.finish(*names)
            return Worked(time.perf_counter() - began, time.process_time() - cpu)

        answer(crowd)


if __name__ == "__main__":
    weights, placement = told()
    main(weights, Placement(**placement))
