"""Floats as printf writes them: each verb, and what the flag # adds. Padding is not done here."""

import math
import struct

from puna.text.go import numbers

VERBS = "vgGeEfFbxX"
_EXACT = 6
# A float's bits: so many of a fraction below an exponent that is so far off.
_FRACTION, _BIAS = 52, 1023
_HEX_DIGITS = 13


def printed(value: float, verb: str, flags: str, precision: int | None) -> str:
    """A float with its sign, which is + where it has none."""
    text = _written(value, verb, precision)
    if text[0] not in "+-":
        text = f"+{text}"
    if "#" in flags and verb != "b" and math.isfinite(value):
        return _sharpened(text, verb, precision)
    return text


def _written(value: float, verb: str, precision: int | None) -> str:
    if not math.isfinite(value):
        return numbers.written(value, "g")
    match verb:
        case "b":
            return _binary(value)
        case "x" | "X":
            text = _hexadecimal(value, precision)
        case "v" | "g" | "G":
            text = numbers.written(value, "g", precision)
        case "e" | "E":
            text = numbers.written(value, "e", _EXACT if precision is None else precision)
        case _:
            text = numbers.written(value, "f", _EXACT if precision is None else precision)
    return text.upper() if verb in "XGE" else text


def _parts(value: float) -> tuple[str, int, int]:
    """The sign, the bits of the fraction with the one before them, and the exponent of that."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", value))
    fraction, exponent = bits & ((1 << _FRACTION) - 1), (bits >> _FRACTION) & 0x7FF
    if exponent:
        fraction |= 1 << _FRACTION
    return "-" if bits >> 63 else "", fraction, max(exponent, 1) - _BIAS


def _binary(value: float) -> str:
    sign, fraction, exponent = _parts(value)
    return f"{sign}{fraction}p{exponent - _FRACTION:+d}"


def _hexadecimal(value: float, precision: int | None) -> str:
    sign, fraction, exponent = _parts(value)
    if not fraction:
        exponent = 0
    while fraction and not fraction >> _FRACTION:
        fraction, exponent = fraction << 1, exponent - 1
    if precision is not None and precision < _HEX_DIGITS:
        fraction = _rounded(fraction, 4 * (_HEX_DIGITS - precision))
        if fraction >> (_FRACTION + 1):
            fraction, exponent = fraction >> 1, exponent + 1
    digits = f"{fraction & ((1 << _FRACTION) - 1):0{_HEX_DIGITS}x}"
    digits = digits.rstrip("0") if precision is None else digits[:precision].ljust(precision, "0")
    return f"{sign}0x{fraction >> _FRACTION}{digits and f'.{digits}'}p{exponent:+03d}"


def _rounded(fraction: int, bits: int) -> int:
    """Without its last bits, to the nearest, and to an even one between two."""
    whole, rest = fraction >> bits, fraction & ((1 << bits) - 1)
    half = 1 << (bits - 1)
    return (whole + (rest > half or (rest == half and whole & 1))) << bits


def _sharpened(text: str, verb: str, precision: int | None) -> str:
    """With a point, and with the zeros that Go leaves at the end of it."""
    marks = "pP" if verb in "xX" else "eE"
    end = next((at for at, sign in enumerate(text) if sign in marks), len(text))
    number, tail = text[:end], text[end:]
    wanted = (_EXACT if precision is None else precision) if verb in "vgGx" else 0
    missing = wanted - len(number[1:].replace(".", "").lstrip("0"))
    if "." not in number:
        # A nought that stands alone is a digit too.
        missing -= number[1:] == "0"
        number += "."
    return number + "0" * missing + tail
