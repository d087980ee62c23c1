"""Values as Go's fmt prints them, without a format: %v, print and println."""

from collections.abc import Sequence
from typing import Any

from puna.text.go import escapes, numbers
from puna.text.go.strings import Strings
from puna.text.go.values import JsonList, JsonMap, OneOrMore, Struct, is_list, is_map


def own_text(value: Any, strings: Strings) -> str | None:
    """The text of a value whose type says how it is printed."""
    match value:
        case OneOrMore():
            return value[0] if len(value) == 1 else (f"[{' '.join(value)}]" if value else "")
        case JsonMap() | JsonList():
            return escapes.json(value, strings)
        case Struct() if value.type.text == "json":
            return escapes.json(value, strings)
        case _:
            return None


def shown(value: Any, strings: Strings, *, names: str = "") -> str:
    """A value as %v shows it; with `names` "+", as %+v does, with its fields' names."""
    text = own_text(value, strings)
    if text is not None:
        return text
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float():
            return numbers.written(value, "g")
        case complex():
            imaginary = numbers.written(value.imag, "g")
            sign = "" if imaginary[0] in "+-" else "+"
            return f"({numbers.written(value.real, 'g')}{sign}{imaginary}i)"
        case bytes():
            return f"[{' '.join(map(str, value))}]"
        case Struct():
            fields = value.fields.items()
            pieces = [
                (f"{name}:" if names else "") + shown(each, strings, names=names)
                for name, each in fields
            ]
            return "{" + " ".join(pieces) + "}"
        case _ if is_list(value):
            return f"[{' '.join(shown(each, strings, names=names) for each in value)}]"
        case _ if is_map(value):
            keys = sorted(value, key=strings.bytes)
            pairs = (f"{key}:{shown(value[key], strings, names=names)}" for key in keys)
            return f"map[{' '.join(pairs)}]"
        case _:
            return str(value)


def joined(values: Sequence[Any], strings: Strings) -> str:
    """Values printed one after the other, with a space between two that are no strings."""
    pieces: list[str] = []
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            pieces.append(" ")
        pieces.append(shown(value, strings))
    return "".join(pieces)


def line(values: Sequence[Any], strings: Strings) -> str:
    """Values printed on a line, with spaces between them."""
    return " ".join(shown(value, strings) for value in values) + "\n"
