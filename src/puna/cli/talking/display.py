"""How an answer is shown: its thinking, its tool calls, its text."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from puna.cli.talking.markdown import Markdown
from puna.cli.talking.paper import CODE, DIM, PLAIN, Paper, Style, harmless

_STYLES = re.compile(r"\x1b\[[0-9;]*m")
THINKING = "Thinking..."
THOUGHT = "...done thinking."


@dataclass(frozen=True, slots=True)
class Look:
    """How texts are shown on a stream: what it can, and what is wished."""

    terminal: bool
    colours: bool
    markdown: bool
    hide_thinking: bool
    width: Callable[[], int] | None


class _Text(Protocol):
    def feed(self, text: str) -> None: ...

    def close(self) -> None: ...


class _Set:
    """Text in one style, its lines broken between words."""

    def __init__(self, paper: Paper, style: Style) -> None:
        self._paper = paper
        self._style = style

    def feed(self, text: str) -> None:
        self._paper.put(text, self._style)

    def close(self) -> None:
        self._paper.close()


class _Raw:
    """Text as it comes, for programs."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def feed(self, text: str) -> None:
        self._write(text)

    def close(self) -> None:
        pass


class Display:
    """Shows one answer, message by message."""

    def __init__(self, look: Look, stream: TextIO = sys.stdout) -> None:
        self._look = look
        self._stream = stream
        self._part: _Text | None = None
        self._kind = ""
        self._last = "\n"

    def shows(self, message: Mapping[str, Any]) -> bool:
        """Whether something of this message is to be seen."""
        thinking = message.get("thinking") and not self._look.hide_thinking
        return bool(thinking or message.get("content") or message.get("tool_calls"))

    def show(self, message: Mapping[str, Any]) -> None:
        """Show a message, or a piece of one."""
        if (thinking := message.get("thinking")) and not self._look.hide_thinking:
            self._feed("thinking", thinking)
        if text := message.get("content"):
            self._feed("text", text)
        for call in message.get("tool_calls") or ():
            self._begin("call")
            self._feed("call", f"{_call(call)}\n")
        self._stream.flush()

    def close(self) -> None:
        """End the answer, and the line that it ends on."""
        self._begin("")
        if self._last != "\n":
            self._write("\n")
        self._stream.flush()

    def _feed(self, kind: str, text: str) -> None:
        if self._look.terminal:
            text = harmless(text)
            if kind != self._kind:
                # What models begin a part with is no part of it.
                text = text.lstrip("\n")
        if not text:
            return
        self._begin(kind)
        assert self._part is not None, "it was just begun"
        self._part.feed(text)

    def _begin(self, kind: str) -> None:
        if kind == self._kind:
            return
        if self._part is not None:
            self._part.close()
            self._part = None
        if self._kind == "thinking":
            self._note(f"{THOUGHT}\n\n")
        elif self._kind and kind:
            self._end_line()
        self._kind = kind
        if kind == "thinking":
            self._note(f"{THINKING}\n")
        if kind:
            self._part = self._new(kind)

    def _new(self, kind: str) -> _Text:
        look = self._look
        if not look.terminal:
            return _Raw(self._write)
        paper = Paper(self._write, look.width)
        if kind == "text":
            return Markdown(paper) if look.markdown else _Set(paper, PLAIN)
        style = DIM if kind == "thinking" else CODE
        return _Set(paper, style if look.colours else PLAIN)

    def _note(self, text: str) -> None:
        self._end_line()
        self._write(f"\x1b[2m{text}\x1b[0m" if self._look.colours else text)
        self._last = "\n"

    def _end_line(self) -> None:
        if self._last != "\n":
            self._write("\n")

    def _write(self, text: str) -> None:
        if not text:
            return
        # First, since Ctrl-C may come as soon as it is seen.
        if seen := _STYLES.sub("", text):
            self._last = seen[-1]
        self._stream.write(text)


def _call(call: Mapping[str, Any]) -> str:
    function: Mapping[str, Any] = call.get("function") or {}
    arguments = json.dumps(function.get("arguments") or {}, ensure_ascii=False)
    return f"calls {function.get('name', '')}({arguments})"
