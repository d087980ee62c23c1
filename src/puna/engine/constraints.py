"""Constraints on one model's outputs: compiled apart, kept, and followed token by token."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec
import numpy as np
from numpy.typing import NDArray

from puna.engine import grammar_trial
from puna.engine.guidance import Automaton, Table
from puna.engine.vocabulary import Vocabulary
from puna.errors import BadConstraint
from puna.jobs import Constraint
from puna.text.tokens import Specials

_START = (
    "import sys; sys.path[:] = sys.argv[1].split(chr(0x1f)); "
    "from puna.engine.grammar_trial import main; main()"
)
_KEPT_VARIABLES = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_FORCED_AT_ONCE = 256


_Asked = tuple[Constraint, str]


class Bounds(msgspec.Struct, frozen=True):
    """How much a constraint may take, and how many are kept for the next to ask for them.

    `seconds` and `memory` are for trying it out (the real compilation takes about three times as
    long), `step_seconds` for one token's mask. Both are of computing, not by the clock.
    """

    characters: int = 256 << 10
    seconds: float = 0.5
    memory: int = 1 << 30
    step_seconds: float = 0.5
    kept: int = 64
    kept_characters: int = 1 << 20


class Matcher:
    """How far one output is into its constraint; used by one thread at a time.

    A token that ends the output is allowed where the constraint is fulfilled, and only there.
    """

    def __init__(self, automaton: Automaton, ends: frozenset[int], bounds: Bounds) -> None:
        self._automaton = automaton
        self._ends = ends
        self._bounds = bounds
        self._mask = np.zeros((automaton.size + 31) // 32, dtype=np.uint32)
        self._ended = False

    def mask(self) -> NDArray[np.uint32]:
        """The tokens that may come next, a bit each; overwritten by the next call."""
        started = time.thread_time()
        self._automaton.mask_into(self._mask)
        # The library's own limits count its work, not the time that it takes.
        if time.thread_time() - started > self._bounds.step_seconds:
            raise BadConstraint(
                "The constraint takes too long to follow.",
                "Make the schema, regex or grammar simpler.",
            )
        return self._mask

    def apply(self, logits: NDArray[np.float32]) -> None:
        """Make every token impossible that may not come next."""
        size = self._automaton.size
        bits = np.unpackbits(self.mask().view(np.uint8), count=size, bitorder="little")
        np.copyto(logits[:size], -np.inf, where=bits == 0)
        logits[size:] = -np.inf

    def allowed(self, tokens: Sequence[int]) -> int:
        """How many of these tokens may come next, one after the other."""
        return self._automaton.allowed(tokens)

    def accept(self, token: int) -> bool:
        """Go on by one token; False, and nothing has changed, where it may not come."""
        if self._ended:
            return False
        if token in self._ends:
            self._ended = self.done
            return self._ended
        if self._automaton.allowed([token]) != 1:
            return False
        self._automaton.consume([token])
        return True

    def forced(self) -> list[int]:
        """Tokens that must come next whatever the model thinks; they are not yet accepted."""
        return [] if self._ended else self._automaton.forced(_FORCED_AT_ONCE)

    def rollback(self, count: int) -> None:
        """Take back the last accepted tokens."""
        if self._ended and count:
            self._ended = False
            count -= 1
        if count:
            self._automaton.rollback(count)

    @property
    def done(self) -> bool:
        """Whether the constraint is fulfilled, so that the output may end."""
        return self._automaton.accepting

    @property
    def stopped(self) -> bool:
        """Whether nothing but an end may come."""
        return self._ended or self._automaton.stopped

    def clone(self) -> "Matcher":
        """Another matcher that is as far as this one."""
        copy = Matcher(self._automaton.clone(), self._ends, self._bounds)
        copy._ended = self._ended
        return copy


class Compiled:
    """A constraint ready for any number of outputs, at the same time too."""

    def __init__(self, automaton: Automaton, ends: frozenset[int], bounds: Bounds) -> None:
        self._automaton = automaton
        self._ends = ends
        self._bounds = bounds

    def matcher(self, emitted: Sequence[int] = ()) -> Matcher:
        """A matcher for one output, past what it has already put out."""
        matcher = Matcher(self._automaton.clone(), self._ends, self._bounds)
        for token in emitted:
            if not matcher.accept(token):
                raise BadConstraint(
                    "What has been put out so far does not belong to the constraint.",
                    "Resume a job with the constraint that it was started with.",
                )
        return matcher


class Grammars:
    """All constraints of one model. What it makes is of no use once the model is closed."""

    def __init__(
        self, vocabulary: Vocabulary, specials: Specials, bounds: Bounds | None = None
    ) -> None:
        self._vocabulary = vocabulary
        self._specials = specials
        self._bounds = bounds or Bounds()
        self._kept: OrderedDict[_Asked, Compiled] = OrderedDict()
        self._lock = threading.Lock()
        self._worker: ThreadPoolExecutor | None = None
        self._trial: _Trial | None = None
        self._table: Table | None = None

    def compile(self, constraint: Constraint, around: str = "") -> Compiled:
        """The constraint, compiled; waits for it, so call it on no thread that others wait for.

        `around` is the grammar that it is `@answer` in, where it is not all of the output.
        """
        asked = constraint, around
        if len(constraint.value) > self._bounds.characters:
            raise BadConstraint(
                f"The constraint has {len(constraint.value)} characters, "
                f"it may have {self._bounds.characters}.",
                "Make the schema or grammar smaller.",
            )
        with self._lock:
            if asked in self._kept:
                self._kept.move_to_end(asked)
                return self._kept[asked]
            worker = self._worker = self._worker or _deep_worker()
        return worker.submit(self._compiled, asked).result()

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            worker, self._worker = self._worker, None
            self._kept.clear()
        if worker is not None:
            worker.shutdown(cancel_futures=True)
        if self._trial is not None:
            self._trial.end()
        self._trial = self._table = None

    def _compiled(self, asked: _Asked) -> Compiled:
        with self._lock:
            if asked in self._kept:
                return self._kept[asked]
        grammar = self._tried(*asked)
        if self._table is None:
            self._table = self._built()
        automaton = self._table.compile(grammar)
        compiled = Compiled(automaton, self._vocabulary.end_tokens, self._bounds)
        # The first mask is the dearest; what fails at it would fail in everybody's step.
        compiled.matcher().mask()
        with self._lock:
            self._kept[asked] = compiled
            while len(self._kept) > 1 and self._keeps_too_much():
                self._kept.popitem(last=False)
        return compiled

    def _keeps_too_much(self) -> bool:
        characters = sum(len(constraint.value) + len(around) for constraint, around in self._kept)
        return len(self._kept) > self._bounds.kept or characters > self._bounds.kept_characters

    def _tried(self, constraint: Constraint, around: str) -> str:
        if self._trial is None:
            self._trial = _Trial()
        try:
            reply = self._trial.ask(constraint, around, self._bounds)
        except OSError:
            self._trial.end()
            self._trial = None
            raise BadConstraint(
                "The constraint takes too much time or memory to compile.",
                "Make the schema, regex or grammar smaller.",
            ) from None
        if "error" in reply:
            raise BadConstraint(f"The constraint makes no sense: {reply['error']}.")
        return reply["grammar"]

    def _built(self) -> Table:
        pieces = self._vocabulary.pieces()
        for special in self._specials.all:
            if special.markup:
                pieces[special.token] = b"\xff" + pieces[special.token]
        ends = sorted(self._vocabulary.end_tokens)
        return Table(pieces, ends, self._specials.continued)


class _Trial:
    """The process in which constraints are tried out, and the socket to it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _START, chr(0x1F).join(sys.path)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
            )

    def ask(self, constraint: Constraint, around: str, bounds: Bounds) -> dict[str, str]:
        """What came of a constraint; raises OSError where the process did not survive it."""
        # Its own clock ends it; the parent's is for a process that waits for a busy machine.
        self._line.settimeout(10 * bounds.seconds + 10)
        with suppress(EOFError):
            grammar_trial.send(
                self._line,
                {
                    "kind": constraint.kind,
                    "value": constraint.value,
                    "around": around,
                    "memory": bounds.memory,
                    "seconds": bounds.seconds,
                },
            )
            return grammar_trial.receive(self._line)
        raise ConnectionResetError

    def end(self) -> None:
        """Kill the process."""
        self._line.close()
        self._process.kill()
        self._process.wait()


def _deep_worker() -> ThreadPoolExecutor:
    """One thread with a stack for deeply nested grammars."""
    worker = ThreadPoolExecutor(1, thread_name_prefix="constraints")
    before = threading.stack_size(2 * grammar_trial.STACK_BYTES)
    try:
        worker.submit(bool).result()
    finally:
        threading.stack_size(before)
    return worker
