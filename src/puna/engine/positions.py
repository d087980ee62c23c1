"""Which positions the tokens of a slot have in the library's cache.

Nearly always a token's place in its sequence is its position. But where a model counts positions
in rows and columns (M-RoPE), an image of many cells takes only as many as its longer side.
"""

import struct
from dataclasses import dataclass

_count = struct.Struct("<I")
_stretch = struct.Struct("<4I")


@dataclass(frozen=True, slots=True)
class Stretch:
    """An image in a slot: where it begins, its cells, the positions it takes, its last one."""

    start: int
    cells: int
    length: int
    last: int

    @property
    def end(self) -> int:
        """The place of the first token behind it."""
        return self.start + self.cells


class Positions:
    """The images in each slot, as far as positions are concerned."""

    def __init__(self) -> None:
        self._stretches: dict[int, list[Stretch]] = {}

    def of(self, slot: int, place: int) -> int:
        """The position of the token at this place."""
        stretches = self._stretches.get(slot, ())
        return place - sum(each.cells - each.length for each in stretches if each.start < place)

    def last(self, slot: int, length: int) -> int:
        """The greatest position that the first tokens of a slot have, -1 for none."""
        for each in self._stretches.get(slot, ()):
            if each.end == length:
                return each.last
        return self.of(slot, length) - 1

    def add(self, slot: int, stretch: Stretch) -> None:
        """An image comes in behind what the slot has."""
        self.cut(slot, stretch.start)
        self._stretches.setdefault(slot, []).append(stretch)

    def cut(self, slot: int, length: int) -> None:
        """The slot keeps only its first tokens."""
        if slot in self._stretches:
            rest = [each for each in self._stretches.pop(slot) if each.end <= length]
            if rest:
                self._stretches[slot] = rest

    def copy(self, source: int, target: int, length: int) -> None:
        """The target gets the first tokens of the source."""
        self._stretches[target] = list(self._stretches.get(source, ()))
        self.cut(target, length)

    def pack(self, slot: int) -> bytes:
        """A slot's images as bytes."""
        found = self._stretches.get(slot, ())
        packed = [_stretch.pack(each.start, each.cells, each.length, each.last) for each in found]
        return _count.pack(len(packed)) + b"".join(packed)

    def unpack(self, slot: int, data: bytes) -> memoryview:
        """Take over what `pack` gave; the bytes behind it."""
        (count,) = _count.unpack_from(data)
        end = _count.size + count * _stretch.size
        found = [Stretch(*each) for each in _stretch.iter_unpack(data[_count.size : end])]
        self._stretches[slot] = found
        self.cut(slot, max((each.end for each in found), default=0))
        return memoryview(data)[end:]
