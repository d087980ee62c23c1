"""One library with one model in a process of its own, which computes when it is told to.

Two of them, with different libraries, can take turns without either being loaded again.
"""

import ctypes as C
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from answering import Answering, answer, answering, told

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
    """The library in its process."""

    process: Answering

    def prefill(self, tokens: int) -> float:
        """Tokens a second of a prompt of so many."""
        return tokens / self.process.ask("prefill", tokens, 0)

    def decode(self, before: int, tokens: int) -> float:
        """Tokens a second of so many, one after the other, behind a prompt."""
        return tokens / self.process.ask("decode", before, tokens)


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
    wanted = {"pool": pool and asdict(pool), "alone": alone}
    with answering(__file__, weights, wanted, library, environment) as process:
        stepper = Stepper(process)
        stepper.decode(8, 8)
        yield stepper


def main(weights: Path, pool: Pool | None, clock: Callable[[], float], threads: int) -> None:
    """Compute what each line says; the answer is the seconds that it took."""
    import subject

    from puna.protocol import Placement

    placement = Placement(context=CONTEXT, sequences=1, threads=threads)
    with subject.opened(weights, placement) as model, subject.context(model, placement) as timed:
        if pool is not None:
            pool.attach(model.library, timed.pointer, threads)
        bare = subject.Bare(timed)

        def compute(what: str, before: int, tokens: int) -> float:
            prompt = subject.prompt(1, before + 1)
            if what == "decode":
                bare.begin(1, prompt, subject.prefilled(timed, prompt[:-1]))
            began = clock()
            if what == "decode":
                for _ in range(tokens):
                    bare.step()
            else:
                bare.prefill([prompt[:before]])
            return clock() - began

        answer(compute)


if __name__ == "__main__":
    file, asked = told()
    main(
        file,
        asked["pool"] and Pool(**asked["pool"]),
        time.process_time if asked["alone"] else time.perf_counter,
        1 if asked["alone"] else cores(),
    )
