"""A shelf: what was used last is kept, within a bound on its weight."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Shelf(Generic[Thing]):
    """Keeps things by key; the newest is always kept, however heavy."""

    def __init__(self, bound: int, free: Callable[[Thing], None] = lambda _: None) -> None:
        self._bound = bound
        self._free = free
        self._things: OrderedDict[Hashable, tuple[Thing, int]] = OrderedDict()
        self._weight = 0

    def get(self, key: Hashable) -> Thing | None:
        """What lies there under this key."""
        if key not in self._things:
            return None
        self._things.move_to_end(key)
        return self._things[key][0]

    def put(self, key: Hashable, thing: Thing, weight: int) -> None:
        """Lay something there; what was unused for longest goes."""
        self.drop(key)
        self._things[key] = thing, weight
        self._weight += weight
        while self._weight > self._bound and len(self._things) > 1:
            self.drop(next(iter(self._things)))

    def take(self, key: Hashable) -> Thing | None:
        """What lies there under this key, which from now on is the taker's."""
        if key not in self._things:
            return None
        thing, weight = self._things.pop(key)
        self._weight -= weight
        return thing

    def drop(self, key: Hashable) -> None:
        """Let go of what lies under this key."""
        if (thing := self.take(key)) is not None:
            self._free(thing)

    def clear(self) -> None:
        """Let go of everything."""
        for key in list(self._things):
            self.drop(key)
