"""Images among tokens: what stands in their place, and how a sequence is cut around them.

An image's cells are negative numbers made from its bytes: an even one, its head, and behind it
the odd one below, as often as it has more cells. So the tree of prefixes finds and tells apart
images like words, and any list of tokens shows where an image begins and where it ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from puna.errors import BadRequest

Places = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One image, or one tile of it: vectors that go into the cache all at once.

    `places` are its vectors' positions where it stands at 0, a row for each part of a position;
    `moves` is 1 where one moves along with it. It takes `length` positions from those after it.
    """

    head: int
    image: bytes
    part: int
    cells: int
    length: int
    places: Places
    moves: Places

    @property
    def tokens(self) -> tuple[int, ...]:
        """What stands for it among tokens."""
        return (self.head, *(self.head - 1,) * (self.cells - 1))

    def positions(self, start: int) -> Places:
        """Its vectors' positions when it stands at `start`."""
        return self.places + start * self.moves


Woven = tuple[int | Picture, ...]


def weave(pieces: Iterable[int | Picture]) -> tuple[tuple[int, ...], dict[int, Picture]]:
    """Tokens and pictures in their order, as tokens and what the negative ones stand for."""
    tokens: list[int] = []
    pictures: dict[int, Picture] = {}
    for piece in pieces:
        if isinstance(piece, Picture):
            pictures[piece.head] = piece
            tokens += piece.tokens
        else:
            tokens.append(piece)
    return tuple(tokens), pictures


def inside(tokens: Sequence[int], at: int) -> bool:
    """Whether a cut before this token would cut an image."""
    return 0 <= at < len(tokens) and tokens[at] < 0 and tokens[at] % 2 == 1


def cut_before(tokens: Sequence[int], at: int) -> int:
    """The nearest place at or before this one that is not inside an image."""
    while inside(tokens, at):
        at -= 1
    return at


def cut_after(tokens: Sequence[int], at: int) -> int:
    """The nearest place at or after this one that is not inside an image."""
    while inside(tokens, at):
        at += 1
    return at


def text_length(tokens: Sequence[int], at: int) -> int:
    """How many tokens from here on come before the next image."""
    return next((i for i in range(at, len(tokens)) if tokens[i] < 0), len(tokens)) - at


def check_whole(tokens: Sequence[int], pictures: Mapping[int, Picture]) -> None:
    """Refuse tokens that stand for an image that is not there, or for a part of one."""
    at = 0
    while at < len(tokens):
        if tokens[at] >= 0:
            at += 1
            continue
        picture = pictures.get(tokens[at])
        if picture is None or tuple(tokens[at : at + picture.cells]) != picture.tokens:
            raise BadRequest("The prompt's tokens stand for an image that did not come along.")
        at += picture.cells
