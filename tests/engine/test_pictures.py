"""Images among tokens: their place holders, the cuts around them, whose turn it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.engine.pictures import (
    Picture,
    check_whole,
    cut_after,
    cut_before,
    inside,
    text_length,
    weave,
)
from puna.engine.positions import Positions, Stretch
from puna.engine.shelf import Shelf
from puna.engine.speculation import Speculation
from puna.engine.turns import STEPS_OF_A_SET, Turns
from puna.errors import BadRequest


def picture(number: int, cells: int) -> Picture:
    places = np.arange(cells, dtype=np.int32)[None]
    return Picture(-2 * number, b"", 0, cells, cells, places, np.ones_like(places))


pieces = st.lists(
    st.one_of(
        st.integers(0, 9),
        st.builds(lambda number: picture(number, number), st.integers(1, 5)),
    ),
    max_size=12,
)


@given(pieces)
def test_every_cut_falls_between_pieces(woven: list[int | Picture]) -> None:
    tokens, pictures = weave(woven)
    borders = [0]
    for piece in woven:
        borders.append(borders[-1] + (piece.cells if isinstance(piece, Picture) else 1))
    for at in range(len(tokens) + 1):
        assert cut_before(tokens, at) == max(border for border in borders if border <= at)
        assert cut_after(tokens, at) == min(border for border in borders if border >= at)
        assert inside(tokens, at) == (at not in borders)
        text = text_length(tokens, at)
        assert all(token >= 0 for token in tokens[at : at + text])
        assert at + text == len(tokens) or tokens[at + text] < 0
    check_whole(tokens, pictures)


def test_a_part_of_an_image_is_not_whole() -> None:
    tokens, pictures = weave([1, picture(3, 4), 2])
    for part in (tokens[:3], tokens[2:], (*tokens[:3], 2), (-7,)):
        with pytest.raises(BadRequest):
            check_whole(part, pictures)


def test_positions_behind_images_are_fewer_than_places() -> None:
    positions = Positions()
    positions.add(0, Stretch(start=10, cells=12, length=4, last=10))
    positions.add(0, Stretch(start=30, cells=6, length=3, last=22))
    assert [positions.of(0, place) for place in (0, 10, 22, 30, 36, 40)] == [0, 10, 14, 22, 25, 29]
    assert [positions.last(0, length) for length in (0, 10, 22, 23)] == [-1, 9, 10, 14]
    positions.copy(0, 1, 23)
    positions.cut(0, 10)
    assert (positions.of(0, 40), positions.of(1, 40)) == (40, 32)
    assert positions.unpack(2, positions.pack(1) + b"rest") == b"rest"
    assert positions.of(2, 40) == 32


def test_a_shelf_lets_go_of_what_was_unused_for_longest() -> None:
    freed: list[str] = []
    shelf = Shelf[str](10, freed.append)
    for name in "abc":
        shelf.put(name, name, 4)
        shelf.get("a")
    assert (freed, shelf.get("a"), shelf.get("b")) == (["b"], "a", None)
    shelf.put("heavy", "heavy", 100)
    assert (sorted(freed), shelf.get("heavy")) == (["a", "b", "c"], "heavy")
    assert (shelf.take("heavy"), shelf.take("heavy")) == ("heavy", None)
    shelf.put("light", "light", 1)
    shelf.clear()
    assert sorted(freed) == ["a", "b", "c", "light"]


def test_sets_of_adapters_take_turns_of_several_steps() -> None:
    turns, one, two = Turns(), ((1, 1.0),), ((2, 1.0),)
    steps = [turns.next_set(wanted) for wanted in [[one, two]] * STEPS_OF_A_SET + [[two, one]]]
    assert steps == [one] * STEPS_OF_A_SET + [two]
    assert turns.next_set([one]) == one
    assert [turns.next_set([one]) for _ in range(20)] == [one] * 20


def test_no_guess_is_an_image() -> None:
    tokens, _ = weave([1, 2, 3, picture(4, 3), 1, 2, 3])
    speculation = Speculation(tokens)
    assert speculation.draft(0.0, 8) == []
