"""What commands print for people: rows in columns, sizes, times."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows of as many cells each, the first of which are the columns' names."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def size_of(size: float) -> str:
    """So many bytes."""
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{size} B"


def time_of(text: str) -> str:
    """A moment, by the clock of this machine."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def print_json(told: Any) -> None:
    """Print what a server told, for programs."""
    print(json.dumps(told, indent=2, ensure_ascii=False))
