"""The engine by itself in a process of its own, which works on a crowd whenever it is told to.

It lives as long as the server that it is compared with, so that its cache has the same history.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import servers

from puna.protocol import Pace, Placement


class Worked(NamedTuple):
    """How long a crowd took, and how many seconds of the processor."""

    seconds: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Engine:
    """The other side of the process."""

    to: IO[str]
    back: IO[str]

    def crowd(self, requests: int, prompt: int, most: int, seed: int) -> Worked:
        """So many requests at once, each of so many tokens, for so many more."""
        print(json.dumps((requests, prompt, most, seed)), file=self.to, flush=True)
        if not (line := self.back.readline()):
            raise RuntimeError("The engine alone has ended.")
        return Worked(*json.loads(line))


@contextmanager
def engine(weights: Path, library: Path, placement: dict[str, Any]) -> Iterator[Engine]:
    """An engine over this library, placed as a server says that its runner is."""
    with subprocess.Popen(
        [sys.executable, __file__, weights, json.dumps(placement)],
        env=dict(os.environ) | {"PUNA_ENGINE": str(library)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Engine(process.stdin, process.stdout)
        finally:
            process.kill()


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
        for turn, line in enumerate(sys.stdin):
            requests, prompt, most, seed = json.loads(line)
            names = [f"{turn} {one}" for one in range(requests)]
            tokens = [words(seed * 1000 + one, prompt) for one in range(requests)]
            began, cpu = time.perf_counter(), time.process_time()
            for name, its in zip(names, tokens, strict=True):
                engine.engine.submit(subject.request(name, its, most, subject.Sampling()))
            engine.finish(*names)
            print([time.perf_counter() - began, time.process_time() - cpu], flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Placement(**json.loads(sys.argv[2])))
