"""Which streams the slots lie in, and when they are moved."""

import math

from hypothesis import given
from hypothesis import strategies as st

from puna.engine.streams import ASKING, Streams, apart, cheapest

SLOTS = 8


class Shelves:
    """Stands in for a context's streams: what lies in each, and how heavy that is."""

    def __init__(self, weights: list[float]) -> None:
        self.things = list(range(len(weights)))
        self.weights = weights
        self.swaps = 0

    def price(self, stream: int) -> float:
        return self.weights[self.things[stream]]

    def swap(self, one: int, other: int) -> None:
        self.things[one], self.things[other] = self.things[other], self.things[one]
        self.swaps += 1


def test_passes_are_counted_by_the_gaps() -> None:
    assert [apart(each) for each in ((), (3,), (4, 3, 5), (0, 2), (7, 0, 3, 1))] == [0, 0, 0, 1, 2]


@given(
    st.lists(st.sets(st.integers(0, SLOTS - 1), min_size=1), max_size=12),
    st.lists(st.floats(0, 3), min_size=SLOTS, max_size=SLOTS),
)
def test_whoever_runs_is_laid_side_by_side_and_every_slot_keeps_what_it_has(
    crowds: list[set[int]], weights: list[float]
) -> None:
    shelves = Shelves(weights)
    streams = Streams(SLOTS, shelves)
    for crowd in crowds:
        # However heavy all are, they have paid for it by then.
        for _ in range(2 * 3 * SLOTS + 1):
            streams.line_up(crowd)
            assert [shelves.things[streams.of(slot)] for slot in range(SLOTS)] == [*range(SLOTS)]
        assert not apart([streams.of(slot) for slot in crowd])


def test_nobody_is_moved_before_lying_apart_has_cost_as_much() -> None:
    shelves = Shelves([2.0, 1.0, 0.5, 0.25])
    streams = Streams(4, shelves)
    assert cheapest({0, 2}, shelves.weights) == (1.5, [(2, 1)])
    streams.line_up([0, 2])
    assert shelves.swaps == 0
    streams.line_up([0, 2])
    assert shelves.swaps == 1


def test_the_cheapest_way_leaves_what_is_heavy_where_it_is() -> None:
    assert cheapest({0, 3}, [9.0, 1.0, 5.0, 2.0]) == (3.0, [(3, 1)])
    assert cheapest({0, 1, 5}, [1.0, 1.0, 4.0, 0.0, 0.0, 1.0])[1] == [(0, 3), (1, 4)]


def test_what_may_not_be_moved_stays() -> None:
    shelves = Shelves([math.inf] * 4)
    streams = Streams(4, shelves)
    for _ in range(1000):
        streams.line_up([0, 3])
    assert shelves.swaps == 0


def test_crowds_that_take_turns_are_laid_together_too() -> None:
    shelves = Shelves([1.0] * 8)
    streams = Streams(8, shelves)
    for _ in range(20):
        streams.line_up([0, 2, 4, 6])
        streams.line_up([1])
    assert not apart([streams.of(slot) for slot in (0, 2, 4, 6)])
    assert shelves.swaps == 2


def test_the_price_is_what_it_is_when_they_move() -> None:
    shelves = Shelves([3.0] * 4)
    streams = Streams(4, shelves)
    streams.line_up([0, 2])
    shelves.weights = [math.inf] * 4
    for _ in range(100):
        streams.line_up([0, 2])
    assert shelves.swaps == 0
    shelves.weights = [1.0] * 4
    for _ in range(ASKING):
        streams.line_up([0, 2])
    assert shelves.swaps == 1
