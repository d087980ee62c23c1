"""The text that a parser reads while it still grows.

A parser is written as generators that pause (`yield`) where the text ends for now, so that its
code reads as if the text were whole. Decisions depend on characters alone, never on where one
piece of text ended and the next began.
"""

import re
from collections.abc import Generator
from typing import TypeVar

from puna.text.markup.format import GAP
from puna.text.markup.words import split

T = TypeVar("T")
Steps = Generator[None, None, T]

_LONGEST_GAP = 200
_LONGEST_SPACE = 200


def words_of(literal: str) -> tuple[str, ...]:
    """A literal's words: they are matched with any whitespace, or none, between them."""
    return tuple(word for word in split(literal) if not word.isspace())


def without_space(text: str) -> int:
    """Where the whitespace at the text's end begins that may belong to markup after it."""
    return max(len(text.rstrip()), len(text) - _LONGEST_SPACE)


def overlap(text: str, word: str) -> int:
    """How much of the text's end is a beginning of the word."""
    if len(word) < 2:
        return 0
    place = text.find(word[0], max(0, len(text) - len(word) + 1))
    while place >= 0:
        if word.startswith(text[place:]):
            return len(text) - place
        place = text.find(word[0], place + 1)
    return 0


class Source:
    """Text with a place to read at, and a place up to which nothing needs to be kept."""

    def __init__(self) -> None:
        self._text = ""
        self._base = 0
        self.at = 0
        self.kept = 0
        self.ended = False
        self.gap = ""

    def feed(self, text: str) -> None:
        """More text has come."""
        self._text = self._text[self.kept - self._base :] + text
        self._base = self.kept

    def end(self) -> None:
        """No more text will come."""
        self.ended = True

    def commit(self) -> None:
        """What has been read is dealt with."""
        self.kept = self.at

    def held(self) -> str:
        """What has been read and not been dealt with."""
        return self._text[self.kept - self._base : self.at - self._base]

    def ahead(self) -> str:
        """All that is there and unread."""
        return self._text[self.at - self._base :]

    def run(self, pattern: re.Pattern[str]) -> str:
        """Go past what the pattern matches here, of what is there by now."""
        found = pattern.match(self._text, self.at - self._base)
        if found is None:
            return ""
        self.at += len(found.group())
        return found.group()

    def find(self, word: str) -> int:
        """Where the word stands first from here on, of what is there by now; -1 for nowhere."""
        found = self._text.find(word, self.at - self._base)
        return found if found < 0 else found + self._base

    def up_to(self, place: int) -> str:
        """Go on to a place; the text on the way."""
        text = self._text[self.at - self._base : place - self._base]
        self.at = place
        return text

    @property
    def exhausted(self) -> bool:
        """Whether everything there will ever be has been read."""
        return self.ended and self.at - self._base >= len(self._text)

    def peek(self) -> Steps[str]:
        """The next character; nothing at the end."""
        while self.at - self._base >= len(self._text):
            if self.ended:
                return ""
            yield
        return self._text[self.at - self._base]

    def skip_space(self) -> Steps[None]:
        """Go past whitespace."""
        while (yield from self.peek()).isspace():
            self.at += 1

    def word(self, word: str) -> Steps[bool]:
        """Go past this word, if it stands here."""
        start = self.at
        for character in word:
            if (yield from self.peek()) != character:
                self.at = start
                return False
            self.at += 1
        return True

    def match(self, words: tuple[str, ...]) -> Steps[bool]:
        """Go past these words of a literal, if they stand here; `gap` is what filled its gap."""
        start = self.at
        for place, word in enumerate(words):
            if word == GAP:
                matched = yield from self._gap(words[place + 1] if place + 1 < len(words) else "")
            else:
                yield from self.skip_space()
                matched = yield from self.word(word)
            if not matched:
                self.at = start
                return False
        return True

    def is_before(self, literals: tuple[tuple[str, ...], ...]) -> Steps[bool]:
        """Whether one of these literals stands here; nothing is gone past."""
        start = self.at
        for words in literals:
            if (yield from self.match(words)):
                self.at = start
                return True
        return False

    def is_cut_off(self, words: tuple[str, ...]) -> bool:
        """Whether the text ends within this literal, or right before it."""
        if not self.ended:
            return False
        rest = "".join(self.ahead().split())
        return "".join(word for word in words if word != GAP).startswith(rest)

    def _gap(self, following: str) -> Steps[bool]:
        self.gap = ""
        while len(self.gap) < _LONGEST_GAP:
            character = yield from self.peek()
            if not character or character.isspace():
                return False
            if character == following[:1] and (yield from self._stands(following)):
                return True
            self.gap += character
            self.at += 1
        return False

    def _stands(self, word: str) -> Steps[bool]:
        start = self.at
        stands = yield from self.word(word)
        self.at = start
        return stands
