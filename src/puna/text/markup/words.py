"""Comparing literals word by word: what two of them have in common, and where they differ."""

import re
from collections.abc import Sequence

from puna.text.markup.format import GAP

# Tags, words in brackets, MiniMax's separator (`]<]name[>[`), and what stands between them.
_SEPARATOR = r"\]<\][^\s\[\]<>\0]*\[>\["
_WORDS = re.compile(
    rf"\s+|\0|{_SEPARATOR}|<[^<>\s\0]*>?|\[[^\[\]\s\0]*\]|(?:(?!{_SEPARATOR})[^\s<\[\0])+|."
)
# A gap takes in whole words: `true` and `false` have nothing in common.
_ALPHANUMERIC_END = re.compile(r"[^\W_]+$")
_ALPHANUMERIC_START = re.compile(r"^[^\W_]+")


def split(text: str) -> list[str]:
    """The words of a text, whitespace as words of its own."""
    return _WORDS.findall(text)


def _shared(sequences: Sequence[Sequence[str]]) -> list[str]:
    """What all sequences begin with."""
    shared: list[str] = []
    for column in zip(*sequences, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return shared


def common_start(*texts: str) -> str:
    """The words with which all texts begin."""
    return "".join(_shared([split(text) for text in texts]))


def common_end(*texts: str) -> str:
    """The words with which all texts end."""
    return "".join(reversed(_shared([split(text)[::-1] for text in texts])))


def merged(one: str, other: str) -> str:
    """One literal for both: where they differ is a gap."""
    if one == other:
        return one
    start = _ALPHANUMERIC_END.sub("", "".join(_shared([one, other])))
    rest = (one[len(start) :][::-1], other[len(start) :][::-1])
    end = "".join(reversed(_shared(rest)))
    return start + GAP + _ALPHANUMERIC_START.sub("", end)


def last(text: str) -> str:
    """The last word of a text, whitespace aside; empty if it has none."""
    return next((word for word in reversed(split(text)) if not word.isspace()), "")


def filling(literal: str, text: str) -> str:
    """What fills the gap of a literal in one of its texts."""
    start, _, end = literal.partition(GAP)
    return text[len(start) : len(text) - len(end)]


def same(one: str, other: str) -> bool:
    """Whether two literals are the same but for whitespace."""
    return "".join(one.split()) == "".join(other.split())


def without_start(text: str, start: str) -> str | None:
    """The text after a literal that it begins with, whitespace aside; None if it does not."""
    rest = text
    for word in split(start):
        if word.isspace():
            continue
        rest = rest.lstrip()
        if not rest.startswith(word):
            return None
        rest = rest[len(word) :]
    return rest
