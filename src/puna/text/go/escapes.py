"""Values as JSON, and text made safe for HTML, JavaScript and addresses, as Go does it."""

import math
from typing import Any
from urllib.parse import quote_plus

from puna.text.go import numbers
from puna.text.go.strings import Strings, whole
from puna.text.go.values import JsonList, OneOrMore, Struct, is_list, is_map

_HTML = {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JSON = (
    {chr(code): f"\\u{code:04x}" for code in (*range(0x20), *b"<>&", 0x2028, 0x2029)}
    | {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f"}
    | {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
)
_SCRIPT = {chr(code): f"\\u{code:04X}" for code in (*range(0x20), *b"<>&=")} | {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
}


class NotJson(Exception):
    """A value that JSON cannot say."""


def html(text: str, strings: Strings) -> str:
    """Text for HTML."""
    return strings.escaped(text, _HTML)


def script(text: str, strings: Strings) -> str:
    """Text for a JavaScript string."""
    escaped = strings.escaped(whole(text), _SCRIPT)
    return "".join(
        char if char.isprintable() or char in strings.stand_ins else f"\\u{ord(char):04X}"
        for char in escaped
    )


def query(text: str, strings: Strings) -> str:
    """Text for an address's query."""
    return quote_plus(strings.bytes(text))


def json(value: Any, strings: Strings) -> str:
    """A value as JSON, maps in the order of their keys."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{strings.escaped(whole(value), _JSON)}"'
        case float():
            return _float(value)
        case int():
            return str(value)
        case Struct():
            return _struct(value, strings)
        case OneOrMore() if len(value) == 1:
            return json(value[0], strings)
        case JsonList() if not value:
            return "null"
        case bytes():
            return f'"{value.hex()}"'
        case _ if is_list(value):
            return "[" + ",".join(json(each, strings) for each in value) + "]"
        case _ if is_map(value):
            keys = sorted(value, key=strings.bytes)
            return (
                "{" + ",".join(f"{json(k, strings)}:{json(value[k], strings)}" for k in keys) + "}"
            )
        case _:
            raise NotJson


def _struct(value: Struct, strings: Strings) -> str:
    pieces: list[str] = []
    for name, key in value.type.fields.items():
        item = value.fields[name]
        if key.endswith("?") and (item is None or item == "" or item in ([], {}, False)):
            continue
        pieces.append(f'"{key.rstrip("?")}":{json(item, strings)}')
    return "{" + ",".join(pieces) + "}"


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise NotJson
    size = abs(value)
    if size == 0 or 1e-6 <= size < 1e21:
        return numbers.written(value, "f")
    # Go's JSON writes e-9 where Go itself writes e-09.
    text = numbers.written(value, "e")
    return text[:-2] + text[-1] if text[-4:-1] == "e-0" else text
