"""A process that answers lines: what it is asked and what it says are JSON, a line each."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True, slots=True)
class Answering:
    """The other side of the process."""

    to: IO[str]
    back: IO[str]

    def ask(self, *question: str | int) -> Any:
        """What the process answers to this."""
        print(json.dumps(question), file=self.to, flush=True)
        if not (line := self.back.readline()):
            raise RuntimeError("The process that was asked has ended.")
        return json.loads(line)


@contextmanager
def answering(
    script: str,
    weights: Path,
    told: Mapping[str, Any],
    library: Path | None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Answering]:
    """This script as such a process, over a library; without one it has the embedded one."""
    environ = {name: value for name, value in os.environ.items() if name != "PUNA_ENGINE"}
    if library is not None:
        environ["PUNA_ENGINE"] = str(library)
    with subprocess.Popen(
        [sys.executable, script, weights, json.dumps(told)],
        env=environ | dict(environment or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Answering(process.stdin, process.stdout)
        finally:
            process.kill()


def told() -> tuple[Path, dict[str, Any]]:
    """In the process: the model's file, and what else it was told at its start."""
    weights, more = sys.argv[1:]
    return Path(weights), json.loads(more)


def answer(work: Callable[..., object]) -> None:
    """In the process: do what each line asks, and say what comes of it."""
    for line in sys.stdin:
        print(json.dumps(work(*json.loads(line))), flush=True)
