"""Numbers, characters and quoted strings as Go writes them."""

import re

_SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL
)
_UNDERSCORES = re.compile(r"[+-]?(0[xXoObB]_?)?[0-9a-fA-F]+(_[0-9a-fA-F]+)*")
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_HEX_FLOAT = re.compile(r"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")
# Decimal digits past which no number is a 64-bit integer or tells a float from another.
_MOST_DIGITS = 800


def quoted(text: str) -> str:
    """What a string in double quotes says; ValueError where it is none."""
    return _unescaped(text[1:-1], "'")


def raw(text: str) -> str:
    """What a string in back quotes says."""
    return text[1:-1].replace("\r", "")


def character(text: str) -> int:
    """The number of a character in single quotes."""
    said = _unescaped(text[1:-1], '"')
    if len(said) != 1:
        raise ValueError(f"{text} is not one character")
    # A byte of its own is written as a lone surrogate.
    code = ord(said)
    return code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code


def _unescaped(text: str, forbidden: str) -> str:
    def meant(match: re.Match[str]) -> str:
        hexadecimal, short, long, octal, simple = match.groups()
        if simple is not None:
            if simple == forbidden or simple not in _SIMPLE:
                raise ValueError(f'"\\{simple}" is no escape')
            return _SIMPLE[simple]
        if octal is not None or hexadecimal is not None:
            byte = int(octal, 8) if octal is not None else int(hexadecimal, 16)
            if byte > 255:
                raise ValueError(f'"\\{octal}" is larger than a byte')
            return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
        code = int(short or long, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ValueError(f'"{match[0]}" is no character')
        return chr(code)

    said = _ESCAPE.sub(meant, text)
    # Bytes that together are a character become it.
    return said.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def number(text: str) -> int | float | complex:
    """The value of a number; ValueError where it is none, OverflowError where it is too large."""
    if len(text) > _MOST_DIGITS:
        raise ValueError("the number is too long")
    if text.endswith("i"):
        return _complex(text[:-1])
    return _real(text)


def _complex(text: str) -> complex:
    at = max(text.rfind("+"), text.rfind("-"))
    if at > 0 and text[at - 1] not in "eEpP":
        return complex(float(_real(text[:at])), float(_real(text[at:])))
    return complex(0, float(_real(text)))


def _real(text: str) -> int | float:
    digits = text
    if "_" in text:
        if not _UNDERSCORES.fullmatch(text):
            raise ValueError(f'"{text}" is no number')
        digits = text.replace("_", "")
    if _INTEGER.fullmatch(digits):
        bare = digits.lstrip("+-")
        octal = len(bare) > 1 and bare[0] == "0" and bare[1].isdecimal()
        value = int(bare, 8) if octal else int(bare, 0)
        value = -value if digits.startswith("-") else value
        if not -(2**63) <= value < 2**64:
            raise OverflowError(f"{text} overflows an integer")
        return value
    if _HEX_FLOAT.fullmatch(digits):
        return float.fromhex(digits)
    if _FLOAT.fullmatch(digits) and (set(digits) & set(".eE")):
        return float(digits)
    raise ValueError(f'"{text}" is no number')
