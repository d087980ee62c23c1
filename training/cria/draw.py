"""Seeded choices, split so that what evaluation asks was never trained on."""

import random
from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

from words import PIECES

Item = TypeVar("Item")
HELD_OUT_OF = 12
_ONSETS = "b c d f g h j k l m n p r s t v w z br ch cl dr fl gr kr pl qu sh sk sl st th tr".split()
_VOWELS = "a e i o u a e i o u ai ea io ou".split()
_CODAS = ["", "", "", *"l m n r s t x k nd rt ss".split()]
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def is_held_out(*parts: object) -> bool:
    """Whether this combination belongs to evaluation alone."""
    return crc32("|".join(map(str, parts)).encode()) % HELD_OUT_OF == 0


class Draw(random.Random):
    """A random source for one side of the split: training, or evaluation (`held_out`)."""

    def __init__(self, seed: object, *, held_out: bool) -> None:
        super().__init__(str(seed))
        self.held_out = held_out

    def ours(self, *parts: object) -> bool:
        """Whether a combination lies on this draw's side of the split."""
        return is_held_out(*parts) == self.held_out

    def novel(self, kind: str, items: Sequence[Item]) -> Item:
        """Choose among the items of this side."""
        while True:
            item = self.choice(items)
            if self.ours(kind, item):
                return item

    def invented(self) -> str:
        """A made-up lower-case word of this side."""
        while True:
            word = "".join(
                self.choice(_ONSETS) + self.choice(_VOWELS) + self.choice(_CODAS)
                for _ in range(self.choice((1, 2, 2, 2, 3)))
            )
            if len(word) > 2 and self.ours("word", word):
                return word

    def noun(self, kind: str, items: Sequence[str]) -> str:
        """One of the items; in training also any word that is one token, for there are too few nouns."""
        pool = items if self.held_out or self.chance(0.6) else PIECES
        return self.novel(kind, pool)

    def code(self) -> str:
        """A made-up identifier, such as K7-204."""
        letters = "".join(self.choice(_LETTERS) for _ in range(self.randint(1, 3)))
        dash = self.choice(("-", "-", "", "_"))
        size = self.randint(1, 5)
        if self.stumbles():
            return letters + dash + self.repetitive(size)
        return letters + dash + str(self.randint(1, 10**size))

    def repetitive(self, size: int) -> str:
        """Digits of which one or two come again and again."""
        few = self.sample("123456789", 2)
        return "".join(self.choice(few) for _ in range(size))

    def stumbles(self) -> bool:
        """Whether to repeat something: rarely, but often in training, for that is hard to copy."""
        return not self.held_out and self.chance(0.15)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random() < probability
