"""Where the slots of a context lie, and when those that run are laid side by side.

In streams the library takes neighbours through the weights together, and each other part of a step
in a pass of its own. Who comes back to what is kept of a conversation lies anywhere, so sequences
are moved, as soon as lying apart has cost about what moving costs.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Protocol

Swaps = list[tuple[int, int]]
# To ask for all prices costs something too, so they are asked for after so many lost passes more.
ASKING = 8


class Mover(Protocol):
    """Who moves what is in a stream."""

    def price(self, stream: int) -> float:
        """How many passes through the weights it costs to move what is in it."""
        ...

    def swap(self, one: int, other: int) -> None:
        """Give each what the other has."""
        ...


class Streams:
    """Which stream each slot lies in: at first its own."""

    def __init__(self, count: int, mover: Mover) -> None:
        self._of = list(range(count))
        self._mover = mover
        # The passes that lying apart has cost since the last move, and when to ask for prices.
        self._lost = 0.0
        self._asks_at = 0.0

    def of(self, slot: int) -> int:
        """The stream of a slot."""
        return self._of[slot]

    def line_up(self, slots: Collection[int]) -> None:
        """Lay these side by side before their step, if as much was lost by lying apart."""
        running = {self._of[slot] for slot in slots}
        if not (passes := apart(running)):
            return
        self._lost += passes
        if self._lost < self._asks_at:
            return
        price, swaps = cheapest(
            running, [self._mover.price(stream) for stream in range(len(self._of))]
        )
        if self._lost < price:
            self._asks_at = min(price, self._lost + ASKING)
            return
        self._lost = self._asks_at = 0.0
        for one, other in swaps:
            self._swap(one, other)

    def _swap(self, one: int, other: int) -> None:
        self._mover.swap(one, other)
        first, second = self._of.index(one), self._of.index(other)
        self._of[first], self._of[second] = other, one


def apart(streams: Collection[int]) -> int:
    """How many passes more than one these streams take."""
    return sum(after - before > 1 for before, after in pairwise(sorted(streams)))


def cheapest(running: Collection[int], prices: Sequence[float]) -> tuple[float, Swaps]:
    """What it costs to bring all that run side by side, and the swaps that do it."""
    found: list[tuple[float, Swaps]] = []
    for start in range(len(prices) - len(running) + 1):
        window = set(range(start, start + len(running)))
        swaps = [*zip(sorted({*running} - window), sorted(window - {*running}), strict=True)]
        found.append((sum(prices[one] + prices[other] for one, other in swaps), swaps))
    return min(found)
