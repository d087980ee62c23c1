"""Arrays that stay in the file: their kind and length are known, their items are read on the way.

An array of numbers costs nothing to go past. One of strings is gone past by `strings.py`.
"""

import struct
from collections.abc import Iterator
from typing import cast

from puna.models.gguf.cursor import NUMBERS, Cursor
from puna.models.gguf.kinds import CODES, Kind
from puna.models.gguf.strings import ByteOrder

Scalar = bool | int | float | str

MAX_DEPTH = 4
# Going past an array takes about as long as going past so many strings.
ARRAY_ITEMS = 16
_RUN = 4096


class Array:
    """Items of one kind; it may be gone through as often as one likes."""

    __slots__ = ("_at", "_data", "_end", "_length", "_order", "kind")

    def __init__(self, cursor: Cursor, at: int, kind: Kind, length: int) -> None:
        self._data = cursor.data
        self._order: ByteOrder = cursor.order
        self._at = at
        self._end = cursor.at
        self._length = length
        self.kind = kind

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> "Iterator[Value]":
        match self.kind:
            case Kind.STRING:
                return self._strings()
            case Kind.ARRAY:
                return self._arrays()
            case _:
                return self._numbers()

    def mentions(self, text: str) -> bool:
        """Whether one of its strings is this, or looks in the file as if; without reading them."""
        encoded = text.encode()
        length = NUMBERS[self._order][Kind.UINT64].pack(len(encoded))
        at = self._data.find(encoded, self._at, self._end)
        while at >= 0 and self._data[max(at - 8, 0) : at] != length:
            at = self._data.find(encoded, at + 1, self._end)
        return at >= 0

    def __repr__(self) -> str:
        return f"Array({self.kind.name}, {self._length} items)"

    def _numbers(self) -> Iterator[Scalar]:
        mark = "<" if self._order == "little" else ">"
        code, size = CODES[self.kind], NUMBERS[self._order][self.kind].size
        for start in range(0, self._length, _RUN):
            count = min(_RUN, self._length - start)
            yield from cast(
                "tuple[Scalar, ...]",
                struct.unpack_from(f"{mark}{count}{code}", self._data, self._at + start * size),
            )

    def _strings(self) -> Iterator[str]:
        length = NUMBERS[self._order][Kind.UINT64]
        at = self._at
        for _ in range(self._length):
            start = at + 8
            at = start + length.unpack_from(self._data, at)[0]
            yield self._data[start:at].decode(errors="replace")

    def _arrays(self) -> "Iterator[Array]":
        cursor = Cursor(self._data, self._at, self._order, "The file")
        for _ in range(self._length):
            yield read_array(cursor, "an array in an array")


Value = Scalar | Array


def read_value(cursor: Cursor, kind: int, what: str) -> Value:
    """The value of this kind that stands here."""
    if kind == Kind.STRING:
        return cursor.text(what)
    if kind == Kind.ARRAY:
        return read_array(cursor, what)
    if kind not in CODES:
        cursor.fail(f"{what} is of kind {kind}, which there is not")
    return cursor.number(kind, what)


def read_array(cursor: Cursor, what: str, depth: int = 1) -> Array:
    """The array that stands here; the cursor goes past it."""
    number = cursor.whole(Kind.INT32, what)
    length = cursor.whole(Kind.UINT64, what)
    if number != Kind.ARRAY and number != Kind.STRING and number not in CODES:
        cursor.fail(f"{what} is an array of kind {number}, which there is not")
    at = cursor.at
    match Kind(number):
        case Kind.STRING:
            cursor.skip_strings(length, what)
        case Kind.ARRAY:
            if depth == MAX_DEPTH:
                cursor.fail(f"{what} nests arrays more than {MAX_DEPTH} deep")
            cursor.room_for(length, 12, what)
            cursor.spend(ARRAY_ITEMS * length, what)
            for _ in range(length):
                read_array(cursor, what, depth + 1)
        case _:
            cursor.skip(length, NUMBERS[cursor.order][number].size, what)
    return Array(cursor, at, Kind(number), length)
