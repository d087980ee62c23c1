"""The process that renders one template: hostile text runs here, under limits.

Started by `rendering.py` with a socket as its standard input. It imports the template's language
and the standard library only, so that it starts fast.
"""

import json
import resource
import socket
import sys
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Protocol

from puna.text.wrongs import Wrong

LENGTH_BYTES = 4


class Renderable(Protocol):
    """A template of any language, read and ready."""

    @property
    def variables(self) -> Collection[str]:
        """The names that it reads."""
        ...

    def render(self, values: dict[str, Any], limit: int) -> str:
        """Its text for these values, at most so many characters."""
        ...


def compiled(language: str, source: str) -> Renderable:
    """The template, read; only its own language is loaded."""
    if language == "go":
        from puna.text.go.conversation import Conversational

        return Conversational(source)
    from puna.text.jinja import JinjaTemplate

    return JinjaTemplate(source)


def reason(error: BaseException) -> str:
    """An error of a template in one line."""
    match error:
        case MemoryError():
            return "it took too much memory"
        case RecursionError():
            return "it is nested too deeply"
        case Wrong(message=message):
            return message
        case _:
            return f"{type(error).__name__}: {error}"[:2000]


def limited(memory: int) -> None:
    """Take away what rendering does not need: memory past a limit, new files, new processes."""
    wanted = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for limit, most in wanted.items():
        _, hard = resource.getrlimit(limit)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # Where a kernel has no such limit, the parent's clock and the length limit remain.
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, most))


def allow_seconds(seconds: int) -> None:
    """End this process by the kernel's hand when it computes longer than this from now on."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    until = int(usage.ru_utime + usage.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


class Desk:
    """The socket to the parent: a frame is a length and JSON."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._line.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def ask(self) -> dict[str, Any]:
        """The next thing to do."""
        size = int.from_bytes(self._exactly(LENGTH_BYTES), "big")
        return json.loads(self._exactly(size))

    def answer(self, reply: dict[str, Any]) -> None:
        """Tell the parent what came of it."""
        # Lone surrogates, which a template can make, are not text that can be sent.
        data = json.dumps(reply, ensure_ascii=False).encode("utf-8", "replace")
        self._line.sendall(len(data).to_bytes(LENGTH_BYTES, "big") + data)


def serve(desk: Desk) -> None:
    """Compile the template that comes first, then render until the parent hangs up."""
    first = desk.ask()
    limited(first["memory"])
    allow_seconds(first["seconds"])
    try:
        template = compiled(first["language"], first["source"])
    except Exception as error:  # noqa: BLE001 - whatever a hostile template raises is its answer
        desk.answer({"error": reason(error), "ended": True})
        return
    desk.answer({"variables": sorted(template.variables)})
    while True:
        asked = desk.ask()
        allow_seconds(first["seconds"])
        try:
            text = template.render(asked["values"], first["characters"])
        except MemoryError as error:
            desk.answer({"error": reason(error), "ended": True})
            return
        except Exception as error:  # noqa: BLE001 - whatever a hostile template raises is its answer
            desk.answer(
                {"error": reason(error), "refused": isinstance(error, Wrong) and error.refuses}
            )
        else:
            desk.answer({"text": text})


def main() -> None:
    """Render for the parent at the other end of standard input."""
    line = socket.socket(fileno=sys.stdin.fileno())
    try:
        serve(Desk(line))
    except (EOFError, OSError):
        return
