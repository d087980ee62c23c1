"""Rendering in a process of its own, which is killed when it takes too long.

A template comes out of a model file, so it may be hostile: loop for ever, ask for a gigabyte,
try to climb out of its sandbox. No bound inside a Python process holds against all of that; the
kernel's limits on another process do. The process is reused while it behaves.
"""

import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from typing import Any, Literal

import msgspec

from puna.errors import TemplateFailed

Language = Literal["jinja", "go"]
LENGTH_BYTES = 4
_START = (
    "import sys; sys.path[:] = sys.argv[1].split(chr(0x1f)); "
    "from puna.text.renderer import main; main()"
)
# So long a process may take beside what it computes: its start, and others' work on a busy machine.
WAITING_SECONDS = 60.0
_KEPT_VARIABLES = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class Bounds(msgspec.Struct, frozen=True):
    """How much a template may take for one conversation."""

    seconds: int = 5
    memory: int = 512 << 20
    characters: int = 16 << 20


class _Reply(msgspec.Struct, frozen=True):
    """What the process answers; `ended` when it will not answer again."""

    text: str = ""
    variables: tuple[str, ...] = ()
    error: str | None = None
    refused: bool = False
    ended: bool = False


class Refused(TemplateFailed):
    """The template itself says that it cannot write this conversation."""


class Unusable(TemplateFailed):
    """The template is broken, or goes beyond its bounds: it would for other conversations too."""


def _search_path() -> str:
    """Where this process finds its modules, written so that it holds in any folder."""
    return chr(0x1F).join(os.path.abspath(folder) for folder in sys.path)


class _Process:
    """One started process and the socket to it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _START, _search_path()],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
            )
        # One that nobody holds any more ends: it cannot be asked again.
        self.end = weakref.finalize(self, _end, self._line, self._process)

    def send(self, data: bytes, deadline: float) -> None:
        self._line.settimeout(max(0.001, deadline - time.monotonic()))
        self._line.sendall(len(data).to_bytes(LENGTH_BYTES, "big") + data)

    def receive(self, most: int, deadline: float) -> _Reply:
        size = int.from_bytes(self._exactly(LENGTH_BYTES, deadline), "big")
        if size > most:
            raise TemplateFailed("The chat template's text is too long.")
        return msgspec.json.decode(self._exactly(size, deadline), type=_Reply)

    def _exactly(self, size: int, deadline: float) -> bytearray:
        data = bytearray()
        while len(data) < size:
            self._line.settimeout(max(0.001, deadline - time.monotonic()))
            piece = self._line.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise ConnectionResetError
            data += piece
        return data

    def kill(self) -> None:
        self._process.kill()


def _end(line: socket.socket, process: subprocess.Popen[bytes]) -> None:
    line.close()
    process.kill()
    process.wait()


class Rendered:
    """What is rendered in a process that it owns."""

    def __init__(self, source: str, rendering: "Rendering") -> None:
        self.source = source
        self._rendering = rendering

    def warm(self) -> None:
        """Start the rendering process, without waiting for it."""
        self._rendering.warm()

    def close(self) -> None:
        """End the rendering process."""
        self._rendering.close()

    @property
    def variables(self) -> frozenset[str]:
        """The names that the template reads; of a Go template, in small letters."""
        return self._rendering.variables


class Rendering:
    """One template and the process that renders it; safe to use from several threads."""

    def __init__(
        self, source: str, bounds: Bounds | None = None, language: Language = "jinja"
    ) -> None:
        self._source = source
        self._language = language
        self._bounds = bounds or Bounds()
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._compiled = False
        self._closed = False
        self._broken: Unusable | None = None
        self._variables: frozenset[str] | None = None

    def warm(self) -> None:
        """Start the process, without waiting for it."""
        with self._lock:
            self._started()

    @property
    def variables(self) -> frozenset[str]:
        """The names that the template reads without setting them first."""
        with self._lock:
            if self._variables is None:
                self._asked(None)
            return self._variables or frozenset()

    def render(self, values: dict[str, Any]) -> str:
        """The template's text for these values."""
        try:
            asked = msgspec.json.encode({"values": values})
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise TemplateFailed(
                f"The template's values cannot be written as JSON: {error}."
            ) from None
        with self._lock:
            return self._asked(asked).text

    def close(self) -> None:
        """End the process, and with it what it is rendering."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
        with self._lock:
            self._ended()

    def _started(self) -> _Process:
        if self._closed:
            raise TemplateFailed("The chat template has been closed.")
        if self._process is None:
            self._process = _Process()
        return self._process

    def _ended(self) -> None:
        if self._process is not None:
            self._process.end()
        self._process = None
        self._compiled = False

    def _asked(self, asked: bytes | None) -> _Reply:
        """Compile where that has not been done, then render; the process ends if it misbehaves."""
        if self._broken is not None:
            raise self._broken
        process = self._started()
        # The kernel counts what it computes: what waits for a busy machine has done nothing wrong.
        deadline = time.monotonic() + self._bounds.seconds + WAITING_SECONDS
        try:
            if not self._compiled:
                self._compile(process, deadline)
            if asked is None:
                return _Reply()
            process.send(asked, deadline)
            reply = process.receive(6 * self._bounds.characters + 4096, deadline)
        except (OSError, msgspec.DecodeError):
            self._ended()
            raise Unusable(
                "The chat template took more time or memory than it may"
                f" ({self._bounds.seconds} seconds, {self._bounds.memory >> 20} MiB)."
            ) from None
        except BaseException:
            self._ended()
            raise
        if reply.ended:
            self._ended()
            raise Unusable(f"The chat template failed: {reply.error}.")
        if reply.error is not None:
            kind = Refused if reply.refused else TemplateFailed
            raise kind(f"The chat template failed: {reply.error}.")
        return reply

    def _compile(self, process: _Process, deadline: float) -> None:
        bounds = msgspec.to_builtins(self._bounds)
        first = {"language": self._language, "source": self._source, **bounds}
        process.send(msgspec.json.encode(first), deadline)
        reply = process.receive(1 << 20, deadline)
        if reply.error is not None:
            self._broken = Unusable(f"The chat template cannot be read: {reply.error}.")
            raise self._broken
        self._variables = frozenset(reply.variables)
        self._compiled = True
