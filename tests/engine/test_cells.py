"""Cells are counted as the library itself would take them."""

from hypothesis import given
from hypothesis import strategies as st

from puna.engine.cells import Cells

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.integers(0, 3), st.integers(1, 5)),
        st.tuples(st.just("cut"), st.integers(0, 3), st.integers(0, 8)),
        st.tuples(st.just("share"), st.integers(0, 3), st.integers(0, 3)),
    )
)


@given(ACTIONS)
def test_shared_cells_count_once_and_are_free_when_the_last_lets_go(
    actions: list[tuple[str, int, int]],
) -> None:
    cells = Cells(10_000, pooled=True)
    slots: dict[int, list[object]] = {slot: [] for slot in range(4)}
    for action, slot, number in actions:
        match action:
            case "grow":
                cells.grow(slot, number)
                slots[slot] += [object() for _ in range(number)]
            case "cut":
                cells.cut(slot, number)
                del slots[slot][number:]
            case _ if slot != number:
                cells.cut(number, 0)
                cells.share(slot, number, len(slots[slot]))
                slots[number] = list(slots[slot])
            case _:
                pass
    assert cells.used == len({id(cell) for held in slots.values() for cell in held})
    assert all(cells.length(slot) == len(held) for slot, held in slots.items())


def test_streams_have_cells_of_their_own() -> None:
    cells = Cells(100, pooled=False)
    cells.grow(0, 10)
    cells.share(0, 1, 10)
    assert cells.used == 20
