"""The process that renders one Jinja template: hostile text runs here, under limits.

Started by `rendering.py` with a socket as its standard input. It imports jinja2 and the standard
library only, so that it starts fast. Its conventions are those of Hugging Face's tokenizers.
"""

import json
import resource
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

from jinja2 import Environment, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

LENGTH_BYTES = 4


class GenerationTag(Extension):
    """`{% generation %}`: training marks the assistant's words with it; here it does nothing."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The tag's body, as if the tag were not there."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Sandbox(ImmutableSandboxedEnvironment):
    """The immutable sandbox, in which lists may grow: every value here is this process's own."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may reach this attribute."""
        if isinstance(obj, list) and attr in ("append", "extend", "pop", "insert"):
            return True
        return super().is_safe_attribute(obj, attr, value)


class Refusal(TemplateError):
    """The template called `raise_exception`."""


def raise_exception(message: str) -> None:
    """What a template calls to refuse a conversation."""
    raise Refusal(str(message))


def strftime_now(layout: str) -> str:
    """The time of now, as the template wants it written."""
    return datetime.now().strftime(layout)


def _plain(value: object) -> object:
    if isinstance(value, Generator):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as Hugging Face's tokenizers write it: nothing escaped for HTML, keys in their order."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=_plain,
    )


def environment() -> Environment:
    """The Jinja environment in which every chat template runs."""
    sandbox = Sandbox(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[GenerationTag, "jinja2.ext.loopcontrols"],
        cache_size=0,
    )
    # Jinja declares these two without the types of their values.
    filters = cast("dict[str, Callable[..., Any]]", sandbox.filters)  # pyright: ignore[reportUnknownMemberType]
    names = cast("dict[str, Any]", sandbox.globals)  # pyright: ignore[reportUnknownMemberType]
    filters["tojson"] = tojson
    names["raise_exception"] = raise_exception
    names["strftime_now"] = strftime_now
    return sandbox


def compiled(source: str) -> tuple[Template, list[str]]:
    """The template and the names of the variables it reads."""
    sandbox = environment()
    variables = meta.find_undeclared_variables(sandbox.parse(source))
    return sandbox.from_string(source), sorted(variables)


def rendered(template: Template, values: dict[str, Any], limit: int) -> str:
    """The rendered text, given up as soon as it is longer than the limit."""
    pieces: list[str] = []
    length = 0
    for piece in template.generate(values):
        length += len(piece)
        if length > limit:
            raise TemplateError(f"the text is longer than {limit} characters")
        pieces.append(piece)
    return "".join(pieces)


def reason(error: BaseException) -> str:
    """An error of a template in one line."""
    match error:
        case MemoryError():
            return "it took too much memory"
        case RecursionError():
            return "it is nested too deeply"
        case TemplateSyntaxError():
            return f"{error.message} (line {error.lineno})".rstrip(".")
        case TemplateError():
            return str(error.message or error)[:2000].rstrip(".")
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
        template, variables = compiled(first["source"])
    except Exception as error:  # noqa: BLE001 - whatever a hostile template raises is its answer
        desk.answer({"error": reason(error), "ended": True})
        return
    desk.answer({"variables": variables})
    while True:
        asked = desk.ask()
        allow_seconds(first["seconds"])
        try:
            text = rendered(template, asked["values"], first["characters"])
        except MemoryError as error:
            desk.answer({"error": reason(error), "ended": True})
            return
        except Exception as error:  # noqa: BLE001 - whatever a hostile template raises is its answer
            desk.answer({"error": reason(error), "refused": isinstance(error, Refusal)})
        else:
            desk.answer({"text": text})


def main() -> None:
    """Render for the parent at the other end of standard input."""
    line = socket.socket(fileno=sys.stdin.fileno())
    try:
        serve(Desk(line))
    except (EOFError, OSError):
        return
