"""Harmony, the markup of gpt-oss: messages with a header each, to a channel or to a tool.

No template shows all of it (what is thought is left out of a history), so it is known by name.
"""

import re
from collections.abc import Callable

from puna.text.markup import json_text
from puna.text.markup.pieces import Tray
from puna.text.markup.source import Source, Steps, overlap

_MESSAGE = "<|message|>"
_ENDS = ("<|end|>", "<|return|>", "<|call|>", "<|start|>", "<|channel|>")
_END = re.compile("|".join(map(re.escape, _ENDS)))
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"to=([^\s<]+)")
_LONGEST_HEADER = 1000


class Harmony:
    """Reads one answer; the prompt has already written `<|start|>assistant`."""

    def __init__(self, source: Source, tray: Tray) -> None:
        self._source = source
        self._tray = tray

    def steps(self, *, started_thinking: bool = False) -> Steps[None]:
        """Read to the end."""
        if started_thinking:
            yield from self._body(self._tray.thinking)
            yield from self._pass_end()
        while (yield from self._source.peek()):
            header = yield from self._header()
            if header is None:
                yield from self._body(self._tray.text)
            else:
                channel = _CHANNEL.search(header)
                recipient = _RECIPIENT.search(header)
                if recipient:
                    yield from self._call(recipient.group(1).removeprefix("functions."))
                elif channel and channel.group(1) == "analysis":
                    yield from self._body(self._tray.thinking)
                else:
                    yield from self._body(self._tray.text)
            yield from self._pass_end()

    def _pass_end(self) -> Steps[None]:
        """Go past what ends a message."""
        for end in ("<|end|>", "<|return|>", "<|call|>"):
            yield from self._source.word(end)
        self._source.commit()

    def _header(self) -> Steps[str | None]:
        """A message's header; nothing where a text begins without one."""
        source = self._source
        start = source.at
        header = ""
        begins = False
        for opening in ("<|start|>", "<|channel|>", " to=", "to=", "<|message|>"):
            begins = begins or (yield from source.word(opening))
        source.at = start
        while begins and len(header) < _LONGEST_HEADER:
            if (yield from source.word(_MESSAGE)):
                source.commit()
                return header
            character = yield from source.peek()
            if not character:
                break
            header += character
            source.at += 1
        self._tray.text(source.held())
        source.commit()
        return None

    def _call(self, name: str) -> Steps[None]:
        source = self._source

        def write(text: str) -> None:
            self._tray.arguments(text)
            source.commit()

        yield from source.skip_space()
        if (yield from source.peek()) == "{":
            self._tray.start(name)
            source.commit()
            if (yield from json_text.value(source, write)):
                self._tray.end()
                yield from source.skip_space()
                source.commit()
        yield from self._body(self._tray.text)

    def _body(self, say: Callable[[str], None]) -> Steps[None]:
        """Say what stands here, up to the end of the message."""
        source = self._source
        while True:
            place = _END.search(source.ahead())
            if place is not None:
                source.up_to(source.at + place.start())
                say(source.held())
                source.commit()
                return
            ahead = source.ahead()
            undecided = 0 if source.ended else max(overlap(ahead, end) for end in _ENDS)
            source.up_to(source.at + len(ahead) - undecided)
            say(source.held())
            source.commit()
            if source.ended:
                return
            yield
