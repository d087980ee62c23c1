"""Going past hundreds of thousands of strings without reading them.

Each string is its length in eight bytes, then its text, so that only the way through all of them
leads past them. But nearly all are shorter than 256 bytes, and text has no row of seven zero bytes:
wherever seven stand, there is in all likelihood a length. `_leap` finds all those places of a
window at once and *proves* that they are the way: each must be where the one before says that the
next string begins. What it cannot prove is walked, string by string.
"""

import struct
from mmap import mmap
from typing import Literal

ByteOrder = Literal["little", "big"]

_LENGTH = {"little": struct.Struct("<Q"), "big": struct.Struct(">Q")}
_WINDOW = 1 << 15
# To walk so many costs about what a leap costs, so that leaps in vain at most double the time.
# Where a leap went well, the few strings that stopped it are soon walked past.
_STEPS, _FEW_STEPS = 512, 8


def end_of_strings(data: mmap, at: int, count: int, order: ByteOrder) -> int:
    """Where the last of the strings ends that begin here; -1 when that is beyond the file."""
    while count and at >= 0:
        taken, at = _leap(data, at, count, order) if count > _STEPS else (0, at)
        count -= taken
        steps = min(count, _FEW_STEPS if taken > _STEPS else _STEPS)
        at = _walk(data, at, steps, order)
        count -= steps
    return at


def _walk(data: mmap, at: int, count: int, order: ByteOrder) -> int:
    size = len(data)
    length_at = _LENGTH[order].unpack_from
    for _ in range(count):
        if at + 8 > size:
            return -1
        at += 8 + length_at(data, at)[0]
    return at if at <= size else -1


def _leap(data: mmap, at: int, count: int, order: ByteOrder) -> tuple[int, int]:
    """How many strings could be passed at once, and the place after them."""
    # A server that reads no large vocabulary starts faster without it.
    import numpy as np

    size = min(_WINDOW, len(data) - at)
    if size < 8:
        return 0, at
    window = np.frombuffer(data, np.uint8, size, at)
    zeros = window == 0
    twos = zeros[:-1] & zeros[1:]
    fours = twos[:-2] & twos[2:]
    sevens = fours[:-3] & fours[3:]
    if order == "little":
        starts = np.flatnonzero(sevens[1:])
        lengths = window[starts]
    else:
        starts = np.flatnonzero(sevens[:-1])
        lengths = window[starts + 7]
    if not starts.size or starts[0] != 0:
        return 0, at
    ends = starts + 8 + lengths
    broken = np.flatnonzero(ends[:-1] != starts[1:])
    proven = int(broken[0]) + 1 if broken.size else len(starts)
    taken = min(proven, count)
    after = at + int(ends[taken - 1])
    return (taken, after) if after <= len(data) else (0, at)
