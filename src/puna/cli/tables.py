"""What commands print: rows in columns, sizes, counts and times for people; JSON for programs."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

_SPANS = (
    ("year", 365 * 86_400),
    ("month", 30 * 86_400),
    ("week", 7 * 86_400),
    ("day", 86_400),
    ("hour", 3600),
    ("minute", 60),
    ("second", 1),
)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


# As many digits of a digest as tell revisions apart, and as Ollama shows.
DIGITS = 12


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows of as many cells each, the first of which are the columns' names."""
    print(table(rows))


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """The rows as lines, in columns."""
    head, *others = rows
    rows = [tuple(name.upper() for name in head), *others]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def size_of(size: float) -> str:
    """So many bytes."""
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{size} B"


def time_of(text: str) -> str:
    """A moment, by the clock of this machine."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def count_of(number: float) -> str:
    """So many parameters, as the name of a model would say it."""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:g}"


def ago(text: str, now: datetime | None = None) -> str:
    """How long ago a moment was."""
    passed = ((now or datetime.now(UTC)) - datetime.fromisoformat(text)).total_seconds()
    return "just now" if passed < 1 else f"{_span(passed)} ago"


def ahead(text: str | None, now: datetime | None = None) -> str:
    """How long it is until a moment; None is never."""
    if text is None:
        return "forever"
    left = (datetime.fromisoformat(text) - (now or datetime.now(UTC))).total_seconds()
    return f"{_span(left)} from now" if left > 0 else "stopping"


def _span(seconds: float) -> str:
    """A time in the largest unit that there are at least two of, or one of the smallest."""
    for unit, size in _SPANS:
        if seconds >= 2 * size or size == 1:
            count = max(1, int(seconds // size))
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("the smallest unit is a second")


def print_json(told: Any) -> None:
    """Print what a server told, for programs."""
    print(json.dumps(told, indent=2, ensure_ascii=False))
