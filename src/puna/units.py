"""Durations and sizes as people write them: `5m`, `1h30m`, `-1`; `8GiB`, `512 MB`."""

import re

SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DECIMAL = r"(?:\d+\.?\d*|\.\d+)"
_DURATION = re.compile(rf"(?P<sign>[+-]?)(?P<parts>(?:{_DECIMAL}(?:ns|us|µs|ms|s|m|h))+)")
_PART = re.compile(rf"({_DECIMAL})(ns|us|µs|ms|s|m|h)")

BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
_SIZE = re.compile(rf"(?P<number>{_DECIMAL})\s*(?P<unit>[kmgt]?i?)b?", re.IGNORECASE)


def read_duration(value: object) -> object:
    """The seconds that a text says: `1h30m` as Go writes it, or a bare number of seconds.

    What is no text stays as it is: whoever checks the type will refuse it.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if (found := _DURATION.fullmatch(text)) is None:
        return _number(text, "a duration is written as 90s, 5m or 1h30m")
    seconds = sum(float(number) * SECONDS[unit] for number, unit in _PART.findall(found["parts"]))
    return -seconds if found["sign"] == "-" else seconds


def write_duration(seconds: float) -> str:
    """The seconds as they would be written: the shortest of Go's forms."""
    if seconds < 0:
        return "-1"
    if seconds != round(seconds) or not seconds:
        return f"{seconds:g}s" if seconds else "0"
    whole, written = round(seconds), ""
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        count, whole = divmod(whole, size)
        written += f"{count}{unit}" if count else ""
    return written


def read_size(value: object) -> object:
    """The bytes that a text says: `8GiB` and `8Gi` are binary, `8GB` and `8G` decimal.

    What is no text stays as it is: whoever checks the type will refuse it.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if (found := _SIZE.fullmatch(text)) is None:
        return _number(text, "a size is written as 512MiB, 8GiB or 1000000")
    number, unit = found["number"], BYTES[found["unit"].lower()]
    return int(number) * unit if number.isdecimal() else round(float(number) * unit)


def write_size(size: int) -> str:
    """The bytes as they would be written, without losing one."""
    for unit in ("ti", "gi", "mi", "ki"):
        if size and size % BYTES[unit] == 0:
            return f"{size // BYTES[unit]}{unit.capitalize()}B"
    return str(size)


def _number(text: str, otherwise: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(otherwise) from None
