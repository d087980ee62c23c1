"""A place in a mapped file, from which values are read within bounds.

Whatever a file claims is checked against what it has before it is believed, and the whole of what
is read into memory, and the work that it makes, have bounds of their own.
"""

import mmap
import struct
from typing import NoReturn

from puna.errors import BadModelFile
from puna.models.gguf.kinds import CODES, Kind
from puna.models.gguf.strings import ByteOrder, end_of_strings

# All text that is read at once, and all strings that are gone past in arrays, in one file.
MAX_TEXT = 64 << 20
MAX_ITEMS = 1 << 21

_MARKS: dict[ByteOrder, str] = {"little": "<", "big": ">"}
NUMBERS: dict[ByteOrder, dict[int, struct.Struct]] = {
    order: {kind: struct.Struct(mark + code) for kind, code in CODES.items()}
    for order, mark in _MARKS.items()
}


class Cursor:
    """Reads on from a place; `file` is how errors call the file."""

    __slots__ = ("_items", "_numbers", "_text", "at", "data", "file", "order")

    def __init__(self, data: mmap.mmap, at: int, order: ByteOrder, file: str) -> None:
        self.data = data
        self.at = at
        self.order: ByteOrder = order
        self.file = file
        self._numbers = NUMBERS[order]
        self._text = MAX_TEXT
        self._items = MAX_ITEMS

    def fail(self, what: str) -> NoReturn:
        """This file is broken."""
        raise broken(self.file, what)

    def room_for(self, count: int, size: int, what: str) -> None:
        """So many things of at least this size each must fit what is left of the file."""
        if count * size > len(self.data) - self.at:
            self.fail(f"it ends within {what}")

    def number(self, kind: int, what: str) -> int | float | bool:
        """The number that stands here."""
        shape = self._numbers[kind]
        if self.at + shape.size > len(self.data):
            self.fail(f"it ends within {what}")
        (number,) = shape.unpack_from(self.data, self.at)
        self.at += shape.size
        return number

    def whole(self, kind: int, what: str) -> int:
        """The whole number that stands here."""
        return int(self.number(kind, what))

    def text(self, what: str) -> str:
        """The string that stands here; bytes that are no UTF-8 become a replacement character."""
        return self._bytes(what).decode(errors="replace")

    def name(self, what: str) -> str:
        """The string that stands here, which must be UTF-8 and say something."""
        try:
            name = self._bytes(what).decode()
        except UnicodeDecodeError:
            self.fail(f"{what} is no UTF-8")
        if not name:
            self.fail(f"{what} is empty")
        return name

    def skip(self, count: int, size: int, what: str) -> None:
        """Go past so many things of this size."""
        self.room_for(count, size, what)
        self.at += count * size

    def skip_strings(self, count: int, what: str) -> None:
        """Go past so many strings."""
        self.room_for(count, 8, what)
        self.spend(count, what)
        at = end_of_strings(self.data, self.at, count, self.order)
        if at < 0:
            self.fail(f"it ends within {what}")
        self.at = at

    def spend(self, items: int, what: str) -> None:
        """So many items more are gone through; a file has only so many."""
        self._items -= items
        if self._items < 0:
            self.fail(f"with {what} its arrays have more than {MAX_ITEMS} items to go through")

    def _bytes(self, what: str) -> bytes:
        length = self.whole(Kind.UINT64, what)
        self.room_for(length, 1, what)
        self._text -= length
        if self._text < 0:
            self.fail(f"with {what} it has more than {MAX_TEXT >> 20} MiB of text")
        start, self.at = self.at, self.at + length
        return self.data[start : self.at]


def broken(file: str, what: str) -> BadModelFile:
    """The error for a file of which something is wrong."""
    return BadModelFile(f"{file} is no sound GGUF file: {what}.", "Fetch or convert it again.")
