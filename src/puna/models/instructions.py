"""The lines of a Modelfile: instructions, comments and quotes, as Ollama's parser reads them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from puna.errors import BadRequest

ROLES: Final = ("system", "user", "assistant")
INSTRUCTIONS: Final = (
    "FROM", "PARAMETER", "TEMPLATE", "SYSTEM", "ADAPTER", "LICENSE", "MESSAGE", "REQUIRES",
    "RENDERER", "PARSER",
)  # fmt: skip

_MAY_BE_EMPTY = {"SYSTEM", "TEMPLATE", "LICENSE", "MESSAGE"}
_BETWEEN = re.compile(r"(?:\s|#[^\r\n]*)*")
_SPACE = re.compile(r"[ \t]+")
_NAME = re.compile(r"[A-Za-z]*")
_KEY = re.compile(r"[A-Za-z0-9_]*")
_LINE_END = re.compile(r"\r\n|\r|\n")
# Quotes close only at the end of a line, so that a text may have quotes within.
_CLOSED = {
    '"""': re.compile(r'"""[^\S\r\n]*(?=[\r\n]|\Z)'),
    '"': re.compile(r'"[^\S\r\n]*(?=[\r\n]|\Z)'),
}
_REST_OF_LINE = re.compile(r"[^\r\n]*")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; `key` is a parameter's name or a message's role."""

    name: str
    key: str
    text: str
    line: int

    def fault(self, what: str, expected: str) -> BadRequest:
        """The error that something is wrong here."""
        return _fault(self.line, what, expected)


def instructions(text: str) -> Iterator[Instruction]:
    """Every instruction of a Modelfile; an error has the line and what was expected there."""
    place = _after(_BETWEEN, text, 0)
    line = 1
    counted = 0
    while place < len(text):
        line += len(_LINE_END.findall(text, counted, place))
        counted = place
        instruction, place = _instruction(text, place, line)
        yield instruction
        place = _after(_BETWEEN, text, place)


def quoted(text: str) -> str:
    """A text as it stands in a Modelfile, in quotes where it needs them."""
    for fence in ("", '"', '"""'):
        written = f"{fence}{text}{fence}"
        if _value(written, 0) == (text, len(written)) and (text or fence):
            return written
    raise BadRequest(
        "A text that has three quotes at the end of a line cannot be written in a Modelfile.",
        "Put something behind the quotes, or give the text through the API.",
    )


def _instruction(text: str, place: int, line: int) -> tuple[Instruction, int]:
    end = _after(_NAME, text, place)
    name = text[place:end].upper()
    if name not in INSTRUCTIONS:
        word = text[place:].split(maxsplit=1)[0][:40]
        raise _fault(line, f"{word!r} is no instruction", f"one of {', '.join(INSTRUCTIONS)}")
    key, place = _key(text, _after_space(text, end, line, name), line, name)
    value = _value(text, place)
    if value is None:
        raise _fault(line, f"the text of {name} has no end", "its closing quotes at a line's end")
    if not value[0] and name not in _MAY_BE_EMPTY:
        raise _fault(line, f"{f'{name} {key}'.strip()} has no value", "a value behind it")
    return Instruction(name, key, value[0], line), value[1]


def _key(text: str, place: int, line: int, name: str) -> tuple[str, int]:
    if name not in ("PARAMETER", "MESSAGE"):
        return "", place
    end = _after(_KEY, text, place)
    key = text[place:end]
    if name == "MESSAGE" and key not in ROLES:
        raise _fault(line, f"{key!r} is no role of a message", "system, user or assistant")
    return key, _after_space(text, end, line, f"{name} {key}")


def _value(text: str, place: int) -> tuple[str, int] | None:
    """A value and where it ends; None is quotes that nothing closes."""
    start = _after(_SPACE, text, place)
    for fence, closed in _CLOSED.items():
        if text.startswith(fence, start):
            begin = start + len(fence)
            found = closed.search(text, begin)
            return None if found is None else (text[begin : found.start()], found.end())
    end = _after(_REST_OF_LINE, text, start)
    return text[start:end].strip(), end


def _after_space(text: str, place: int, line: int, what: str) -> int:
    end = _after(_SPACE, text, place)
    if end == place:
        raise _fault(line, f"{what} stands alone", "a space and a value behind it")
    return end


def _after(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return found.end() if found else place


def _fault(line: int, what: str, expected: str) -> BadRequest:
    return BadRequest(f"Modelfile, line {line}: {what}.", f"Expected is {expected}.")
