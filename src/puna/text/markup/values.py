"""Values that are written otherwise than in JSON, turned into JSON.

Python's literals, and notations near them; and texts whose type only a tool's schema knows.
"""

import json
import re

from puna.text.markup.json_text import Write, scalar
from puna.text.markup.schemas import type_of
from puna.text.markup.source import Source, Steps

_WORDS = {
    "True": "true",
    "False": "false",
    "None": "null",
    "true": "true",
    "false": "false",
    "null": "null",
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}
_HEXADECIMAL = {"x": 2, "u": 4, "U": 8}
_PAIRS = {"[": "]", "(": ")"}
_DEEPEST = 60


def quoted(text: str) -> str:
    """Text as the inside of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


class Loose:
    """Reads values in Python's notation, in JSON, and in notations with quotes of their own."""

    def __init__(self, source: Source, write: Write, quote: str) -> None:
        self._source = source
        self._write = write
        # The quotes, and what runs on plainly behind each.
        self._quotes = {
            each: re.compile(rf"[^{re.escape(each[0])}\\]+") for each in (quote, '"', "'") if each
        }

    def value(self, depth: int = 0) -> Steps[bool]:
        """Pass on one value as JSON."""
        source = self._source
        yield from source.skip_space()
        quote = yield from self._opening_quote()
        if quote:
            return (yield from self._string(quote))
        match (yield from source.peek()):
            case "{" if depth < _DEEPEST:
                source.at += 1
                return (yield from self.members("}", (":", "="), depth + 1))
            case ("[" | "(") as bracket if depth < _DEEPEST:
                source.at += 1
                return (yield from self._items(_PAIRS[bracket], depth + 1))
            case _:
                return (yield from self._word())

    def members(self, close: str, assigns: tuple[str, ...], depth: int = 0) -> Steps[bool]:
        """Pass on keys and values up to a closing sign, as one JSON object."""
        source = self._source
        self._write("{")
        first = True
        while True:
            yield from source.skip_space()
            if (yield from source.word(close)):
                self._write("}")
                return True
            if not first:
                if not (yield from source.word(",")):
                    return False
                yield from source.skip_space()
                if (yield from source.word(close)):
                    self._write("}")
                    return True
                self._write(", ")
            first = False
            if not (yield from self._key()):
                return False
            yield from source.skip_space()
            if (yield from source.peek()) not in assigns or source.exhausted:
                return False
            source.at += 1
            self._write(": ")
            if not (yield from self.value(depth)):
                return False

    def _items(self, close: str, depth: int) -> Steps[bool]:
        source = self._source
        self._write("[")
        first = True
        while True:
            yield from source.skip_space()
            if (yield from source.word(close)):
                self._write("]")
                return True
            if not first:
                if not (yield from source.word(",")):
                    return False
                yield from source.skip_space()
                if (yield from source.word(close)):
                    self._write("]")
                    return True
                self._write(", ")
            first = False
            if not (yield from self.value(depth)):
                return False

    def _opening_quote(self) -> Steps[str]:
        for quote in self._quotes:
            if (yield from self._source.word(quote)):
                return quote
        return ""

    def _key(self) -> Steps[bool]:
        quote = yield from self._opening_quote()
        if quote:
            return (yield from self._string(quote))
        key = ""
        while (character := (yield from self._source.peek())) and (
            character.isalnum() or character in "_-.$"
        ):
            key += character
            self._source.at += 1
        self._write(f'"{quoted(key)}"')
        return bool(key)

    def _string(self, quote: str) -> Steps[bool]:
        source = self._source
        escapes = len(quote) == 1
        plain = self._quotes[quote]
        self._write('"')
        while True:
            if text := source.run(plain):
                self._write(quoted(text))
            if (yield from source.word(quote)):
                self._write('"')
                return True
            character = yield from source.peek()
            if not character:
                return False
            source.at += 1
            if character == "\\" and escapes:
                character = yield from self._escaped()
            self._write(quoted(character))

    def _escaped(self) -> Steps[str]:
        """What follows a backslash; a pair of surrogates is one character."""
        source = self._source
        kind = yield from source.peek()
        source.at += 1 if kind else 0
        if kind not in _HEXADECIMAL:
            return _ESCAPES.get(kind, kind if kind in "\\'\"/" else "\\" + kind)
        code = yield from self._code(_HEXADECIMAL[kind])
        if code is None or code > 0x10FFFF:
            return "\\" + kind
        if 0xD800 <= code < 0xDC00 and (yield from source.word("\\u")):
            low = yield from self._code(4)
            if low is not None and 0xDC00 <= low < 0xE000:
                return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
            return "\ufffd"
        return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)

    def _code(self, size: int) -> Steps[int | None]:
        start = self._source.at
        digits = ""
        for _ in range(size):
            digit = yield from self._source.peek()
            if not digit or digit not in "0123456789abcdefABCDEF":
                self._source.at = start
                return None
            digits += digit
            self._source.at += 1
        return int(digits, 16)

    def _word(self) -> Steps[bool]:
        for word, written in _WORDS.items():
            if (yield from self._source.word(word)):
                self._write(written)
                return True
        return (yield from scalar(self._source, self._write))


def as_json(text: str, types: frozenset[str]) -> str:
    """The JSON of a value that is written without quotes, by what its schema allows."""
    stripped = text.strip()
    notation = _notation(stripped)
    if notation is None:
        return json.dumps(text, ensure_ascii=False)
    kind = type_of(json.loads(notation))
    allowed = kind in types or (kind == "integer" and "number" in types)
    if kind == "string" or ("string" in types and not allowed):
        return json.dumps(text, ensure_ascii=False)
    return notation


def _notation(text: str) -> str | None:
    """The text read as one whole value, in JSON; None where it is none."""
    source = Source()
    source.feed(text)
    source.end()
    written: list[str] = []
    steps = Loose(source, written.append, '"').value()
    try:
        next(steps)
    except StopIteration as done:
        if not done.value or not source.exhausted:
            return None
    except RecursionError:
        return None
    notation = "".join(written)
    try:
        json.loads(notation)
    except (ValueError, RecursionError):
        return None
    return notation
