"""One library with one model in a process of its own, which computes when it is told to.

Two of them, with different libraries, can take turns without either being loaded again.
"""

import ctypes as C
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from puna.engine.layout import cores
from puna.engine.libllama import Library

CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Pool:
    """Threads other than the engine's own: made anew for each step, or looking for work, or pinned.

    How long each looks goes from 0, where it sleeps between steps, to 100.
    """

    kept: bool = True
    poll: int = 0
    pinned: bool = False

    def attach(self, library: Library, context: int, threads: int) -> None:
        """Make a context compute with such threads, until the process ends."""
        call = library.call
        if not self.kept:
            call.llama_attach_threadpool(context, None, None)
            return
        wanted = call.ggml_threadpool_params_default(threads)
        wanted.poll, wanted.strict_cpu = self.poll, self.pinned
        if self.pinned:
            for core in sorted(os.sched_getaffinity(0))[: wanted.n_threads]:
                wanted.cpumask[core] = True
        call.llama_attach_threadpool(context, call.ggml_threadpool_new(C.addressof(wanted)), None)


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
def stepping(
    weights: Path,
    library: Path | None,
    pool: Pool | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    alone: bool = False,
) -> Iterator[Stepper]:
    """A process with a model; without a library it has the embedded one.

    `alone` it has one thread, and its seconds are those of the processor: where a machine has
    other work besides, that tells how good the code is.
    """
    environ = {name: value for name, value in os.environ.items() if name != "PUNA_ENGINE"}
    if library is not None:
        environ["PUNA_ENGINE"] = str(library)
    told = json.dumps({"pool": pool and asdict(pool), "alone": alone})
    with subprocess.Popen(
        [sys.executable, __file__, weights, told],
        env=environ | dict(environment or {}),
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


def main(weights: Path, pool: Pool | None, clock: Callable[[], float], threads: int) -> None:
    """Compute what each line says; the answer is the seconds that it took."""
    import subject

    from puna.protocol import Placement

    placement = Placement(context=CONTEXT, sequences=1, threads=threads)
    with subject.opened(weights, placement) as model, subject.context(model, placement) as timed:
        if pool is not None:
            pool.attach(model.library, timed.pointer, threads)
        bare = subject.Bare(timed)
        for line in sys.stdin:
            what, before, tokens = json.loads(line)
            prompt = subject.prompt(1, before + 1)
            if what == "decode":
                bare.begin(1, prompt, subject.prefilled(timed, prompt[:-1]))
            began = clock()
            if what == "decode":
                for _ in range(tokens):
                    bare.step()
            else:
                bare.prefill([prompt[:before]])
            print(clock() - began, flush=True)


if __name__ == "__main__":
    file, told = sys.argv[1:]
    asked = json.loads(told)
    main(
        Path(file),
        asked["pool"] and Pool(**asked["pool"]),
        time.process_time if asked["alone"] else time.perf_counter,
        1 if asked["alone"] else cores(),
    )
