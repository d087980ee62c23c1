"""Values as Go's printf writes them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from puna.text.go import floats
from puna.text.go.faults import Misuse
from puna.text.go.printing import own_text, shown
from puna.text.go.quoting import quoted
from puna.text.go.strings import Strings
from puna.text.go.values import Struct, is_list, is_map, type_name

_DIRECTIVE = re.compile(
    r"%([-+# 0]*)(\[[^\]]*\])?(\*|[0-9]+)?(?:(\.)(\[[^\]]*\])?(\*|[0-9]+)?)?(\[[^\]]*\])?(.?)", re.S
)
# Go takes no width or precision beyond this.
_WIDEST = 1_000_000
_BASES = {"b": (2, "0b"), "o": (8, "0"), "O": (8, "0o"), "x": (16, "0x"), "X": (16, "0X")}


@dataclass(frozen=True, slots=True)
class _Style:
    verb: str
    flags: str = ""
    width: int = 0
    precision: int | None = None
    mode: Literal["", "named", "source"] = ""


def formatted(text: str, values: Sequence[Any], strings: Strings, longest: int) -> str:
    """The text with its directives replaced by the values; mistakes are written into it."""
    return _Printf(values, strings, longest).written(text)


class _Printf:
    def __init__(self, values: Sequence[Any], strings: Strings, longest: int) -> None:
        self._values = values
        self._left = longest
        self._strings = strings
        self._next = 0
        self._reordered = False

    def written(self, text: str) -> str:
        written = _DIRECTIVE.sub(self._directive, text)
        if self._reordered or self._next >= len(self._values):
            return written
        extra = (
            "<nil>" if value is None else f"{type_name(value)}={shown(value, self._strings)}"
            for value in self._values[self._next :]
        )
        return f"{written}%!(EXTRA {', '.join(extra)})"

    def _directive(self, match: re.Match[str]) -> str:
        flags, before, width, dot, middle, precision, after, verb = match.groups()
        good = self._moved(before)
        wide, bad = self._size(width)
        if wide is not None and wide < 0:
            flags, wide = flags + "-", -wide
        good = self._moved(middle) and good
        exact, worse = self._size(precision) if precision else (0 if dot else None, "")
        if exact is not None and exact < 0:
            exact, worse = None, "%!(BADPREC)"
        bad += worse.replace("WIDTH", "PREC")
        good = self._moved(after) and good
        if not verb:
            return f"{bad}%!(NOVERB)"
        if verb == "%":
            return f"{bad}%"
        if not good:
            return f"{bad}%!{verb}(BADINDEX)"
        if self._next >= len(self._values):
            return f"{bad}%!{verb}(MISSING)"
        value = self._values[self._next]
        self._next += 1
        style = _Style(verb, flags, wide or 0, exact)
        if verb == "v" and "#" in flags:
            style = replace(style, flags=flags.replace("#", ""), mode="source")
        elif verb == "v" and "+" in flags:
            # Here it asks for the names of fields, not for signs.
            style = replace(style, flags=flags.replace("+", ""), mode="named")
        text = bad + _value(value, style, self._strings, 0)
        self._left -= len(text)
        if self._left < 0:
            raise Misuse("printf makes a text that is too long")
        return text

    def _moved(self, index: str | None) -> bool:
        """Go to the value of this index, where one is given."""
        if not index:
            return True
        self._reordered = True
        number = index[1:-1]
        if not number.isdecimal() or not 1 <= int(number[:9]) <= len(self._values):
            return False
        self._next = int(number[:9]) - 1
        return True

    def _size(self, size: str | None) -> tuple[int | None, str]:
        if size is None:
            return None, ""
        if size != "*":
            number = int(size[:9])
            return (number, "") if number <= _WIDEST else (None, "%!(BADWIDTH)")
        value = self._values[self._next] if self._next < len(self._values) else None
        self._next += 1
        if type(value) is not int or abs(value) > _WIDEST:
            return None, "%!(BADWIDTH)"
        return value, ""


def _value(value: Any, style: _Style, strings: Strings, depth: int) -> str:
    verb = style.verb
    if verb == "T":
        return _padded(type_name(value)[: style.precision], style)
    if style.mode == "source":
        return _padded(_source(value, strings), style)
    if value is None:
        if depth:
            return "<nil>"
        return _padded("<nil>", style) if verb == "v" else f"%!{verb}(<nil>)"
    if verb in "vsxXq" and (text := own_text(value, strings)) is not None:
        return _string(text, style, strings)
    match value:
        case bool() if verb in "tv":
            return _padded("true" if value else "false", style)
        case bool():
            return _bad(value, style, strings)
        case str() if verb in "vsxXq":
            return _string(value, style, strings)
        case int():
            return _integer(value, style, strings)
        case float():
            return _float(value, style, strings)
        case complex() if verb in floats.VERBS:
            real = _float(value.real, style, strings)
            plus = replace(style, flags=style.flags + "+")
            return f"({real}{_float(value.imag, plus, strings)}i)"
        case bytes() if verb in "sxXq":
            return _string(value.decode("utf-8", "surrogateescape"), style, strings)
        case bytes() | list():
            items = list(cast("Sequence[Any]", value))
            return f"[{' '.join(_value(each, style, strings, depth + 1) for each in items)}]"
        case Struct():
            return _fields(value, style, strings, depth)
        case _ if is_map(value):
            keys = sorted(value, key=strings.bytes)
            pairs = (
                f"{_value(key, style, strings, depth + 1)}:"
                f"{_value(value[key], style, strings, depth + 1)}"
                for key in keys
            )
            return f"map[{' '.join(pairs)}]"
        case _:
            return _bad(value, style, strings)


def _fields(value: Struct, style: _Style, strings: Strings, depth: int) -> str:
    pieces = (
        (f"{name}:" if style.mode == "named" else "") + _value(each, style, strings, depth + 1)
        for name, each in value.fields.items()
    )
    return "{" + " ".join(pieces) + "}"


def _bad(value: Any, style: _Style, strings: Strings) -> str:
    shown_value = _value(value, replace(style, verb="v"), strings, 1)
    return f"%!{style.verb}({type_name(value)}={shown_value})"


def _padded(text: str, style: _Style, *, sign: str = "") -> str:
    """The text in its width; zeros go behind a sign."""
    size = style.width - len(sign)
    if "-" in style.flags:
        return (sign + text).ljust(style.width)
    if "0" in style.flags:
        return sign + text.rjust(size, "0")
    return (sign + text).rjust(style.width)


def _string(text: str, style: _Style, strings: Strings) -> str:
    if style.verb in "xX":
        data = strings.bytes(text)[: style.precision]
        gap = " " if " " in style.flags else ""
        prefix = f"0{style.verb}" if "#" in style.flags and data else ""
        digits = [f"{byte:02{style.verb}}" for byte in data]
        return _padded(prefix + (gap + prefix if gap else "").join(digits), style)
    if style.precision is not None:
        text = text[: style.precision]
    if style.verb == "q":
        text = quoted(text, strings, flags=style.flags)
    return _padded(text, style)


def _integer(value: int, style: _Style, strings: Strings) -> str:
    match style.verb:
        case "v" | "d":
            return _digits(value, str(abs(value)), style)
        case "b" | "o" | "O" | "x" | "X" as verb:
            base, prefix = _BASES[verb]
            digits = format(abs(value), {2: "b", 8: "o"}.get(base, verb))
            if verb == "O" or ("#" in style.flags and not (base == 8 and digits[0] == "0")):
                return _digits(value, digits, style, prefix)
            return _digits(value, digits, style)
        case "c":
            return _padded(_char(value), style)
        case "q":
            return _padded(quoted(_char(value), strings, quote="'", flags=style.flags), style)
        case "U":
            said = f" '{_char(value)}'" if "#" in style.flags and value <= 0x10FFFF else ""
            return _padded(
                f"U+{value % 2**64:04X}{said}", replace(style, flags=style.flags.replace("0", ""))
            )
        case _:
            return _bad(value, style, strings)


def _char(value: int) -> str:
    fits = 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF
    return chr(value) if fits else "\ufffd"


def _digits(value: int, digits: str, style: _Style, prefix: str = "") -> str:
    sign = _sign(value < 0, style.flags) + prefix
    if style.precision is None:
        return _padded(digits, style, sign=sign)
    digits = "" if style.precision == 0 and value == 0 else digits.rjust(style.precision, "0")
    spaced = replace(style, flags=style.flags.replace("0", ""))
    return _padded(digits, spaced, sign=sign)


def _sign(negative: bool, flags: str) -> str:
    if negative:
        return "-"
    return "+" if "+" in flags else (" " if " " in flags else "")


def _float(value: float, style: _Style, strings: Strings) -> str:
    if style.verb not in floats.VERBS:
        return _bad(value, style, strings)
    text = floats.printed(value, style.verb, style.flags, style.precision)
    if math.isfinite(value):
        return _padded(text[1:], style, sign=_sign(text[0] == "-", style.flags))
    style = replace(style, flags=style.flags.replace("0", ""))
    # Infinity is the one number that shows a plus of its own.
    sign = _sign(text[0] == "-", style.flags) or ("+" if math.isinf(value) else "")
    return _padded(text[1:], style, sign=sign)


def _source(value: Any, strings: Strings) -> str:
    """A value as Go would write it in a program."""
    match value:
        case None:
            return "<nil>"
        case str():
            return quoted(value, strings)
        case Struct():
            fields = (f"{name}:{_inner(each, strings)}" for name, each in value.fields.items())
            return f"{value.type.name}{{{', '.join(fields)}}}"
        case _ if is_list(value):
            return f"{type_name(value)}{{{', '.join(_inner(each, strings) for each in value)}}}"
        case _ if is_map(value):
            keys = sorted(value, key=strings.bytes)
            pairs = (f"{quoted(key, strings)}:{_inner(value[key], strings)}" for key in keys)
            return f"{type_name(value)}{{{', '.join(pairs)}}}"
        case _:
            return shown(value, strings)


def _inner(value: Any, strings: Strings) -> str:
    return "interface {}(nil)" if value is None else _source(value, strings)
