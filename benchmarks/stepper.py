"""One library with one model in a process of its own, which computes when it is told to.

Two of them, with different libraries, can take turns without either being loaded again.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Stepper:
    """The other side of the process."""

    to: IO[str]
    back: IO[str]

    def prefill(self, tokens: int) -> float:
        """Tokens a second of a prompt of so many."""
        return tokens / self._tell("prefill", tokens, 0)

    def decode(self, before: int, tokens: int) -> float:
        """Tokens a second of so many, one after the other, behind a prompt."""
        return tokens / self._tell("decode", before, tokens)

    def _tell(self, *words: str | int) -> float:
        print(json.dumps(words), file=self.to, flush=True)
        return float(self.back.readline())


@contextmanager
def stepping(weights: Path, library: Path | None) -> Iterator[Stepper]:
    """A process with a model; without a library it has the embedded one."""
    environment = {name: value for name, value in os.environ.items() if name != "PUNA_ENGINE"}
    if library is not None:
        environment["PUNA_ENGINE"] = str(library)
    with subprocess.Popen(
        [sys.executable, __file__, weights],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stepper = Stepper(process.stdin, process.stdout)
        stepper.decode(8, 8)
        yield stepper
        process.stdin.close()


def main(weights: Path) -> None:
    """Compute what each line says; the answer is the seconds that it took."""
    import subject

    from puna.protocol import Placement

    placement = Placement(context=CONTEXT, sequences=1)
    with subject.opened(weights, placement) as model, subject.context(model, placement) as timed:
        bare = subject.Bare(timed)
        for line in sys.stdin:
            what, before, tokens = json.loads(line)
            prompt = subject.prompt(1, before + 1)
            seconds = bare.prefill([prompt[:before]])
            if what == "decode":
                bare.begin(1, prompt, subject.prefilled(timed, prompt[:-1]))
                seconds = sum(bare.step() for _ in range(tokens))
            print(seconds, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
