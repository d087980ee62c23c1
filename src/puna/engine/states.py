"""What the library saves of a sequence, freed of the streams that it lay in, and laid into others.

Saved, it is a head, then one part or two. A part is a cache (its number of streams, then for each
of them how many of its cells are the sequence's, and those: none in all streams but one), or
recurrent states, which know nothing of streams. Two parts are a cache and that of a sliding window,
or a cache and states. A few architectures save still other things. Then what is made here of
streams is not a state, and the library, which checks all of it, refuses it.
"""

import struct
from dataclasses import dataclass

# What all of them begin with: a magic number, and the sequence's own.
HEAD = 8
_count = struct.Struct("<I")
_length = struct.Struct("<Q")

Bytes = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Parts:
    """Which of a model's two parts are caches."""

    first: bool
    second: bool


def freed(state: memoryview, second: int, caches: Parts, streams: int, slot: int) -> bytes:
    """The state of a slot as it would be anywhere; empty where it looks like nothing known.

    The last `second` bytes are the second part.
    """
    border = len(state) - second
    first, last = state[HEAD:border], state[border:]
    before = slot if streams > 1 else 0
    if caches.first:
        first = _taken_out(first, streams, before)
    if caches.second and last:
        last = _taken_out(last, streams, before)
    if first is None or last is None:
        return b""
    return b"".join((_length.pack(len(last)), state[:HEAD], first, last))


def laid(state: memoryview, caches: Parts, streams: int) -> bytes:
    """What `freed` gave as a cache with so many streams takes it back."""
    (second,) = _length.unpack_from(state)
    state = state[_length.size :]
    border = len(state) - second
    first, last = (state[HEAD:border],), (state[border:],)
    if caches.first:
        first = _put_in(*first, streams)
    if caches.second and second:
        last = _put_in(*last, streams)
    return b"".join((state[:HEAD], *first, *last))


def _taken_out(part: memoryview, streams: int, before: int) -> memoryview | None:
    """The one stream that holds something, out of what is around it."""
    begin = _count.size * (1 + before)
    end = len(part) - _count.size * (streams - 1 - before)
    around = bytes(part[:begin]) + bytes(part[end:])
    return part[begin:end] if around == _count.pack(streams) + _empty(streams) else None


def _put_in(part: memoryview, streams: int) -> tuple[Bytes, ...]:
    """The same in the first of so many streams: whichever it is, the library asks where to."""
    return (_count.pack(streams), part, _empty(streams))


def _empty(streams: int) -> bytes:
    """All streams but one, which hold nothing."""
    return bytes(_count.size * (streams - 1))
