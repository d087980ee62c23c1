"""Floats as Go writes them: %e, %f and %g, with the fewest digits that tell a number."""

import math
from typing import Literal

Form = Literal["e", "f", "g"]


# In the form `g` an exponent from here on is written as one.
_LARGEST = 6


def written(value: float, form: Form, precision: int | None = None) -> str:
    """A float; without a precision, in as many digits as are needed."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if precision is not None:
        return _exact(value, form, precision)
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    digits, exponent = _shortest(abs(value))
    if form == "e" or (form == "g" and not -4 <= exponent < _LARGEST):
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{rest}e{exponent:+03d}"
    return sign + _plain(digits, exponent)


def _shortest(value: float) -> tuple[str, int]:
    """The fewest digits of a number, and the exponent of its first one."""
    mantissa, _, exponent = f"{value!r}e0".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    first = len(whole) - 1 if whole.strip("0") else -1 - (len(fraction) - len(fraction.lstrip("0")))
    power = int(exponent.removesuffix("e0") or 0)
    digits = digits.rstrip("0")
    return (digits, first + power) if digits else ("0", 0)


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    rest = digits[exponent + 1 :]
    return f"{whole}.{rest}" if rest else whole


def _exact(value: float, form: Form, precision: int) -> str:
    if form != "g":
        return f"{value:.{precision}{form}}"
    return f"{value:.{max(precision, 1)}g}"
