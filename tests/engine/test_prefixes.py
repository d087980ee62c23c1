"""The radix tree finds what a plain search over all slots finds."""

from hypothesis import given
from hypothesis import strategies as st

from puna.engine.prefixes import Prefixes, shared_length

TOKENS = st.lists(st.integers(0, 2), max_size=12)
ACTIONS = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab"), TOKENS | st.none()))


def plain_shared(left: list[int], right: list[int]) -> int:
    count = 0
    while count < min(len(left), len(right)) and left[count] == right[count]:
        count += 1
    return count


@given(TOKENS, TOKENS)
def test_the_shared_length_is_where_two_lists_part(left: list[int], right: list[int]) -> None:
    assert shared_length(left, right) == plain_shared(left, right)


@given(ACTIONS, st.sampled_from("ab"), TOKENS)
def test_the_longest_prefix_is_found_in_its_own_space_only(
    actions: list[tuple[int, str, list[int] | None]], space: str, wanted: list[int]
) -> None:
    tree = Prefixes()
    held: dict[int, tuple[str, list[int]]] = {}
    for slot, place, tokens in actions:
        if tokens is None:
            tree.drop(slot)
            held.pop(slot, None)
        else:
            tree.put(place, slot, tokens)
            held[slot] = (place, tokens)
    lengths = {
        slot: plain_shared(tokens, wanted)
        for slot, (place, tokens) in held.items()
        if place == space
    }
    longest = max(lengths.values(), default=0)
    found, slots = tree.longest(space, wanted)
    assert found == longest
    if longest:
        assert slots == {slot for slot, length in lengths.items() if length == longest}


def test_nothing_stays_of_a_slot_that_was_dropped() -> None:
    tree = Prefixes()
    tree.put("a", 1, [1, 2, 3])
    tree.put("a", 2, [1, 2, 4])
    tree.drop(1)
    assert tree.longest("a", [1, 2, 3]) == (2, {2})
    tree.drop(2)
    assert tree.longest("a", [1, 2, 3]) == (0, frozenset())
    assert tree.held(1) == ()
