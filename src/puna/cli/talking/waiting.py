"""Tells what an answer waits for, on one line of the terminal that goes when the answer comes."""

import sys
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self, TextIO

from prompt_toolkit.utils import get_cwidth

from puna.cli.talking.paper import harmless
from puna.errors import PunaError

_SIGNS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME_SECONDS = 0.1
# So long nobody takes note of waiting.
_PATIENCE_SECONDS = 0.2
_ASK_SECONDS = 0.5
# How long something takes is told once it takes long.
_LONG_SECONDS = 3
_ERASE = "\r\x1b[K"


def told(record: dict[str, Any], model: str) -> str:
    """What a job waits for, in words."""
    match record:
        case {"phase": "queued", "position": int(before)} if before > 0:
            return f"waiting: {before} before this one"
        case {"phase": "queued"}:
            return "waiting: the next in the queue"
        case {"phase": "loading"}:
            return f"loading {model}"
        case {"phase": "prompt", "prompt_tokens": int(tokens), "prompt_done": int(done)} if tokens:
            return f"reading the prompt: {min(100, done * 100 // tokens)} %"
        case {"phase": "paused"}:
            return "paused: others go first"
        case {"phase": "generating", "output_tokens": int(tokens)}:
            return f"thinking: {tokens} tokens"
        case _:
            return ""


class Waiting:
    """A context in which it is told what is waited for, until `stop`.

    `ask` is asked now and then what that is; it may take its time, and may fail.
    """

    def __init__(
        self,
        ask: Callable[[], str],
        width: Callable[[], int],
        stream: TextIO = sys.stderr,
        moves: bool = True,
    ) -> None:
        self._ask = ask
        self._width = width
        self._stream = stream
        self._moves = moves
        self._words = ""
        self._ended = Event()
        # What is drawn and what is erased must not cross.
        self._lock = Lock()
        self._drawn = False

    def __enter__(self) -> Self:
        if self._moves:
            for work in (self._listen, self._draw):
                Thread(target=work, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """The waiting is over: its line goes."""
        with self._lock:
            self._ended.set()
            if self._drawn:
                self._drawn = False
                self._stream.write(_ERASE)
                self._stream.flush()

    def _listen(self) -> None:
        pause = _PATIENCE_SECONDS / 2
        while not self._ended.wait(pause):
            pause = _ASK_SECONDS
            try:
                self._words = self._ask() or self._words
            except PunaError:
                # It is no news that the job has not arrived yet; what fails tells the answer.
                pause = _PATIENCE_SECONDS / 2

    def _draw(self) -> None:
        began = time.monotonic()
        pause, frame = _PATIENCE_SECONDS, 0
        while not self._ended.wait(pause):
            pause, frame = _FRAME_SECONDS, frame + 1
            seconds = int(time.monotonic() - began)
            words = f"{self._words} ({seconds} s)" if seconds >= _LONG_SECONDS else self._words
            line = _cut(f"{_SIGNS[frame % len(_SIGNS)]} {harmless(words)}", self._width() - 1)
            with self._lock:
                if self._ended.is_set():
                    return
                self._drawn = True
                self._stream.write(_ERASE + line)
                self._stream.flush()


def _cut(line: str, width: int) -> str:
    while line and get_cwidth(line) > width:
        line = line[:-1]
    return line
