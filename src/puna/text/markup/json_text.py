"""JSON as it streams in: checked character by character, passed on as soon as it is accepted."""

import json
import re
from collections.abc import Callable

from puna.text.markup.source import Source, Steps

Write = Callable[[str], None]

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]+')
_DEEPEST = 100


def value(source: Source, write: Write, depth: int = 0) -> Steps[bool]:
    """Pass on one JSON value; False where it breaks off or is none."""
    yield from source.skip_space()
    match (yield from source.peek()):
        case "{" if depth < _DEEPEST:
            return (yield from _members(source, write, depth + 1))
        case "[" if depth < _DEEPEST:
            return (yield from _items(source, write, depth + 1))
        case '"':
            return (yield from string(source, write))
        case _:
            return (yield from scalar(source, write))


def string(source: Source, write: Write) -> Steps[bool]:
    """Pass on one JSON string; control characters, which some models leave raw, are escaped."""
    if (yield from source.peek()) != '"':
        return False
    source.at += 1
    write('"')
    while True:
        plain = source.run(_PLAIN)
        if plain:
            write(plain)
        match (yield from source.peek()):
            case "":
                return False
            case '"':
                source.at += 1
                write('"')
                return True
            case "\\":
                if not (yield from _escape(source, write)):
                    return False
            case character if character < " ":
                source.at += 1
                write(json.dumps(character)[1:-1])
            case _:
                continue


def _escape(source: Source, write: Write) -> Steps[bool]:
    start = source.at
    source.at += 1
    kind = yield from source.peek()
    digits = ""
    if kind == "u":
        for _ in range(4):
            source.at += 1
            digit = yield from source.peek()
            if digit not in "0123456789abcdefABCDEF" or not digit:
                source.at = start
                return False
            digits += digit
    elif not kind or kind not in '"\\/bfnrt':
        source.at = start
        return False
    source.at += 1
    write("\\" + kind + digits)
    return True


def scalar(source: Source, write: Write) -> Steps[bool]:
    """Pass on a number, `true`, `false` or `null`."""
    start = source.at
    word = ""
    while (character := (yield from source.peek())) and (character.isalnum() or character in "+-."):
        word += character
        source.at += 1
        if len(word) > 400:
            break
    if word in ("true", "false", "null") or _NUMBER.fullmatch(word):
        write(word)
        return True
    source.at = start
    return False


def _sign(source: Source, write: Write, signs: str) -> Steps[str]:
    """Pass on one of these signs, with the whitespace around it left out; nothing if none is."""
    yield from source.skip_space()
    character = yield from source.peek()
    if not character or character not in signs:
        return ""
    source.at += 1
    write(character + " " if character in ",:" else character)
    return character


def _members(source: Source, write: Write, depth: int) -> Steps[bool]:
    yield from _sign(source, write, "{")
    if (yield from _sign(source, write, "}")):
        return True
    while True:
        yield from source.skip_space()
        if not (yield from string(source, write)):
            return False
        if not (yield from _sign(source, write, ":")):
            return False
        if not (yield from value(source, write, depth)):
            return False
        match (yield from _sign(source, write, ",}")):
            case "}":
                return True
            case "":
                return False
            case _:
                continue


def _items(source: Source, write: Write, depth: int) -> Steps[bool]:
    yield from _sign(source, write, "[")
    if (yield from _sign(source, write, "]")):
        return True
    while True:
        if not (yield from value(source, write, depth)):
            return False
        match (yield from _sign(source, write, ",]")):
            case "]":
                return True
            case "":
                return False
            case _:
                continue
