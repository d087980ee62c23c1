"""The wire between a server and a runner."""

import struct
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.deltas import TextDelta
from puna.protocol import MAX_FRAME, TRANSITIONS, Beat, Busyness, Frame, LogLine, Unpacker, pack

MESSAGES = st.lists(
    st.one_of(
        st.builds(LogLine, st.text(), st.text()),
        st.builds(Busyness, st.integers(0, 2**63)).map(Beat),
        st.builds(Frame, st.lists(st.tuples(st.text(), st.lists(st.builds(TextDelta, st.text()))))),
    )
)


@given(MESSAGES, st.lists(st.integers(0, 500)))
def test_messages_come_out_whole_wherever_the_wire_cuts_them(
    messages: list[LogLine | Beat | Frame], cuts: list[int]
) -> None:
    wire = b"".join(map(pack, messages))
    borders = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    unpacker = Unpacker()
    got = [
        message for start, end in pairwise(borders) for message in unpacker.feed(wire[start:end])
    ]
    assert got == messages


def test_a_message_that_would_fill_the_memory_is_refused_before_it_comes() -> None:
    with pytest.raises(msgspec.DecodeError, match="too long"):
        list(Unpacker().feed(struct.pack(">I", MAX_FRAME + 1)))


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        list(Unpacker().feed(b"\0\0\0\1\xc1"))


def test_every_state_can_be_left_but_failure() -> None:
    assert [state for state, after in TRANSITIONS.items() if not after] == ["failed"]
    assert all("failed" in after for after in TRANSITIONS.values() if after)
