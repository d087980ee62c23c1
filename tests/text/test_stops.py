"""Stop strings: the first one cuts, at the same place however the text comes in."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from puna.text.stops import Stops


def first_stop(text: str, stops: list[str]) -> tuple[str, str | None]:
    """What the rule says, said slowly: complete first, then longest."""
    for end in range(1, len(text) + 1):
        ending = [stop for stop in stops if stop and text[:end].endswith(stop)]
        if ending:
            longest = max(ending, key=len)
            return text[: end - len(longest)], longest
    return text, None


@settings(max_examples=500, deadline=None, database=None, derandomize=True)
@given(
    st.text("ab🦙", max_size=40),
    st.lists(st.text("ab🦙", min_size=1, max_size=6), max_size=5),
    st.lists(st.integers(0, 40), max_size=8),
)
def test_pieces_joined_are_the_text_up_to_the_first_stop(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    watch = Stops(stops)
    shown = ""
    for start, end in pairwise(borders):
        shown += watch.push(text[start:end])
        if watch.hit is None:
            held = text[:end][len(shown) :]
            # Held back is exactly what may still become a stop.
            assert not held or any(stop.startswith(held) for stop in stops)
            assert not any(
                stop.startswith(text[:end][at:]) for at in range(len(shown)) for stop in stops
            )
    shown += watch.finish()
    assert (shown, watch.hit) == first_stop(text, stops)


def test_nothing_is_shown_after_a_stop() -> None:
    stops = Stops(["STOP"])
    assert stops.push("one STOP two") == "one "
    assert stops.hit == "STOP"
    assert stops.push("three") == ""
    assert stops.finish() == ""


def test_the_stop_that_is_complete_first_wins() -> None:
    stops = Stops(["abcd", "bc"])
    assert stops.push("xabcd") == "xa"
    assert stops.hit == "bc"


def test_of_stops_that_end_together_the_longest_wins() -> None:
    stops = Stops(["c", "bc", "abc"])
    assert stops.push("xabc") == "x"
    assert stops.hit == "abc"


def test_what_was_held_back_is_given_at_the_end() -> None:
    stops = Stops(["\n\nUser:"])
    assert stops.push("Bye\n\nUse") == "Bye"
    assert stops.finish() == "\n\nUse"
    assert stops.hit is None


def test_without_stops_text_passes() -> None:
    stops = Stops([])
    assert stops.push("anything") == "anything"


def test_hostile_stops_cost_no_more_than_their_length() -> None:
    # Sixty-four chains that fall back on one another at every character.
    stops = Stops(["a" * length + "b" for length in range(936, 1000)])
    text = "a" * 100_000 + "c"
    shown = "".join(stops.push(text[at : at + 3]) for at in range(0, len(text), 3))
    assert shown + stops.finish() == text
    assert stops.hit is None
