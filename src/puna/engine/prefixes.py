"""Which slot holds the longest beginning of a prompt: a radix tree over tokens.

One tree for each space: an isolation domain and a set of adapters. What is cached in one space is
never found from another.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Node:
    """Tokens that lead here from the parent, and the slots whose tokens come this way."""

    edge: tuple[int, ...] = ()
    children: dict[int, "_Node"] = field(default_factory=dict[int, "_Node"])
    slots: set[int] = field(default_factory=set[int])


class Prefixes:
    """What each slot's cache holds, searchable by what it begins with."""

    def __init__(self) -> None:
        self._roots: dict[Hashable, _Node] = {}
        self._held: dict[int, tuple[Hashable, tuple[int, ...]]] = {}

    def held(self, slot: int) -> tuple[int, ...]:
        """The tokens that a slot was last said to hold."""
        return self._held[slot][1] if slot in self._held else ()

    def space(self, slot: int) -> Hashable:
        """The space that the slot's tokens belong to."""
        return self._held[slot][0] if slot in self._held else None

    def put(self, space: Hashable, slot: int, tokens: Sequence[int]) -> None:
        """The slot's cache now holds these tokens."""
        self.drop(slot)
        rest = tuple(tokens)
        self._held[slot] = (space, rest)
        node = self._roots.setdefault(space, _Node())
        node.slots.add(slot)
        while rest:
            child = node.children.get(rest[0])
            if child is None:
                node.children[rest[0]] = _Node(rest, slots={slot})
                return
            shared = shared_length(child.edge, rest)
            if shared < len(child.edge):
                child = _split(node, child, shared)
            child.slots.add(slot)
            node, rest = child, rest[shared:]

    def drop(self, slot: int) -> None:
        """The slot's cache holds nothing any more."""
        if slot not in self._held:
            return
        space, rest = self._held.pop(slot)
        node = self._roots[space]
        node.slots.discard(slot)
        if not node.slots:
            del self._roots[space]
        while rest:
            child = node.children[rest[0]]
            child.slots.discard(slot)
            if not child.slots:
                del node.children[rest[0]]
                return
            node, rest = child, rest[len(child.edge) :]

    def longest(self, space: Hashable, tokens: Sequence[int]) -> tuple[int, frozenset[int]]:
        """How many of the tokens some slot holds from the beginning on, and which slots do."""
        node = self._roots.get(space)
        if node is None:
            return 0, frozenset()
        rest, length, best = tuple(tokens), 0, frozenset[int]()
        while rest and (child := node.children.get(rest[0])) is not None:
            shared = shared_length(child.edge, rest)
            length, best = length + shared, frozenset(child.slots)
            if shared < len(child.edge):
                break
            node, rest = child, rest[shared:]
        return length, best


def _split(parent: _Node, child: _Node, at: int) -> _Node:
    """Put a node between parent and child, so that the edge ends at `at`."""
    middle = _Node(child.edge[:at], {child.edge[at]: child}, set(child.slots))
    child.edge = child.edge[at:]
    parent.children[middle.edge[0]] = middle
    return middle


def shared_length(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens both begin with."""
    most = min(len(left), len(right))
    # Halving lets the comparison of slices, which is C, do nearly all of the work.
    least = 0
    if left[:most] == right[:most]:
        return most
    while least < most:
        middle = (least + most + 1) // 2
        if left[least:middle] == right[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least
