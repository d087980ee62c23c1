"""From a template's text to its tokens: text and actions, with the white space trimmed."""

import re
from collections.abc import Generator, Iterator
from typing import Literal, NamedTuple

from puna.text.go.faults import Fault

Kind = Literal[
    "text",
    "open",
    "close",
    "space",
    "keyword",
    "bool",
    "name",
    "field",
    "variable",
    "dot",
    "nil",
    "number",
    "char",
    "string",
    "raw",
    "declare",
    "assign",
    "pipe",
    "comma",
    "left",
    "right",
    "end",
]

KEYWORDS = frozenset(
    "block break continue define else end if range template with".split(),
)
_SPACE = " \t\r\n"
_LEFT = re.compile(r"\{\{(-(?=[ \t\r\n]))?")
_RIGHT = re.compile(r"([ \t\r\n]-)?\}\}")
_COMMENT = re.compile(r"\{\{(-[ \t\r\n])?/\*")
# A run of spaces, without the one that belongs to a trimming end.
_SPACES = re.compile(r"(?:[ \t\r\n](?!-\}\}))+")
_NAME = re.compile(r"[^\W]+")
_FIELD = re.compile(r"\.[^\W]+")
_VARIABLE = re.compile(r"\$[^\W]*")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*|0[bB][01_]*"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_CHAR = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'")
_RAW = re.compile(r"`[^`]*`")
_SIGNS: dict[str, Kind] = {"=": "assign", "|": "pipe", ",": "comma", "(": "left", ")": "right"}


class Token(NamedTuple):
    """A piece of a template, and where it begins."""

    kind: Kind
    text: str
    at: int

    def __str__(self) -> str:
        match self.kind:
            case "end":
                return "the end of the template"
            case "open":
                return '"{{"'
            case "close":
                return '"}}"'
            case "space":
                return "a space"
            case _:
                return f'"{self.text[:40]}"'


def tokens(source: str) -> Iterator[Token]:
    """A template's tokens, from the first to the end."""
    at = 0
    while True:
        opening = source.find("{{", at)
        if opening < 0:
            if at < len(source):
                yield Token("text", source[at:], at)
            yield Token("end", "", len(source))
            return
        trims = _LEFT.match(source, opening)
        text = source[at:opening]
        if trims and trims[1]:
            text = text.rstrip(_SPACE)
        if text:
            yield Token("text", text, at)
        if comment := _COMMENT.match(source, opening):
            at = _after_comment(source, opening, comment.end())
            continue
        at = yield from _action(source, opening)


def _after_comment(source: str, opening: int, start: int) -> int:
    ending = source.find("*/", start)
    if ending < 0:
        raise Fault(source, opening, 'a comment has no end; expected "*/}}"')
    closing = _RIGHT.match(source, ending + 2)
    if closing is None:
        raise Fault(source, ending, 'a comment must end with "*/}}" or "*/ -}}"')
    return _after(source, closing)


def _after(source: str, closing: re.Match[str]) -> int:
    """Where the text goes on after an action."""
    at = closing.end()
    if closing[1]:
        while at < len(source) and source[at] in _SPACE:
            at += 1
    return at


def _action(source: str, opening: int) -> Generator[Token, None, int]:
    """The tokens of an action; gives back where the text goes on."""
    yield Token("open", "{{", opening)
    trims = _LEFT.match(source, opening)
    at = trims.end() if trims else opening
    deep = 0
    while True:
        closing = _RIGHT.match(source, at)
        if closing is not None:
            if deep:
                raise Fault(source, at, 'a "(" is not closed; expected ")"')
            yield Token("close", "}}", at)
            return _after(source, closing)
        if at >= len(source):
            raise Fault(source, opening, 'an action is not closed; expected "}}"')
        token = _token(source, at)
        deep += {"left": 1, "right": -1}.get(token.kind, 0)
        if deep < 0:
            raise Fault(source, at, 'this ")" closes nothing')
        yield token
        at += len(token.text)


def _token(source: str, at: int) -> Token:
    char = source[at]
    if char in _SPACE:
        spaces = _SPACES.match(source, at)
        return Token("space", spaces[0] if spaces else char, at)
    if source.startswith(":=", at):
        return Token("declare", ":=", at)
    if char in _SIGNS:
        return Token(_SIGNS[char], char, at)
    if char in "\"'`":
        return _quoted(source, at, char)
    if char == "$":
        return _word(source, at, "variable", _VARIABLE)
    following = source[at + 1 : at + 2]
    if char in "+-" or char.isdecimal() or (char == "." and following.isdecimal()):
        return _number(source, at)
    if char == ".":
        field = _FIELD.match(source, at)
        return _word(source, at, "field", _FIELD) if field else _dot(source, at)
    if _NAME.match(source, at):
        token = _word(source, at, "name", _NAME)
        if token.text in KEYWORDS:
            return token._replace(kind="keyword")
        if token.text in ("true", "false"):
            return token._replace(kind="bool")
        return token._replace(kind="nil") if token.text == "nil" else token
    raise Fault(source, at, f'"{char}" cannot stand in an action')


def _dot(source: str, at: int) -> Token:
    _terminated(source, at + 1)
    return Token("dot", ".", at)


def _word(source: str, at: int, kind: Kind, pattern: re.Pattern[str]) -> Token:
    word = pattern.match(source, at)
    text = word[0] if word else ""
    _terminated(source, at + len(text))
    return Token(kind, text, at)


def _terminated(source: str, at: int) -> None:
    """A word ends at a space, at a sign, or where the action ends."""
    if at < len(source) and source[at] not in " \t\r\n.,|:)(" and not source.startswith("}}", at):
        raise Fault(source, at, f'"{source[at]}" cannot follow a word; expected a space')


def _number(source: str, at: int) -> Token:
    number = _NUMBER.match(source, at)
    end = number.end() if number else at
    if source[end : end + 1] in ("+", "-") and end > at:
        # Complex: 1+2i.
        imaginary = _NUMBER.match(source, end)
        end = imaginary.end() if imaginary else end
        if not source[at:end].endswith("i"):
            raise Fault(source, at, f'"{source[at:end]}" is no number')
    if end == at or (end < len(source) and _NAME.match(source, end)):
        raise Fault(source, at, f'"{source[at : end + 1]}" is no number')
    return Token("number", source[at:end], at)


def _quoted(source: str, at: int, quote: str) -> Token:
    pattern, kind = {
        '"': (_STRING, "string"),
        "'": (_CHAR, "char"),
        "`": (_RAW, "raw"),
    }[quote]
    quoted = pattern.match(source, at)
    if quoted is None:
        raise Fault(source, at, f"a string has no end; expected {quote}")
    return Token(kind, quoted[0], at)  # pyright: ignore[reportArgumentType]
