"""Go's strings, which are bytes, over Python's; and texts in which stand-ins take others' places.

A string that ends in the middle of a character has its loose bytes as lone surrogates. A text that
people wrote comes guarded: some of its characters are stand-ins. What a template asks of a text
(how long it is, whether it is another, its beginning) is answered for what was meant.
"""

from collections.abc import Mapping


class Strings:
    """What can be asked of strings; `meant` says which character each stand-in stands for."""

    def __init__(self, meant: Mapping[str, str] | None = None) -> None:
        self._meant = {ord(known): char for known, char in (meant or {}).items()}
        self._stand_ins = frozenset(meant or {})

    @property
    def stand_ins(self) -> frozenset[str]:
        """The characters that stand for others."""
        return self._stand_ins

    def plain(self, text: str) -> str:
        """The text that was meant."""
        return text.translate(self._meant) if self._meant else text

    def bytes(self, text: str) -> bytes:
        """The bytes of the text that was meant."""
        return self.plain(text).encode("utf-8", "surrogateescape")

    def part(self, text: str, start: int, end: int) -> str:
        """The text from one byte to another; stand-ins stay what they are."""
        if self._stand_ins.isdisjoint(text):
            return _text(self.bytes(text)[start:end])
        pieces: list[str] = []
        at = 0
        for char in text:
            whole = self.bytes(char)
            piece = whole[max(start - at, 0) : max(end - at, 0)]
            at += len(whole)
            pieces.append(char if piece == whole else _text(piece))
        return "".join(pieces)

    def escaped(self, text: str, escapes: Mapping[str, str]) -> str:
        """The text with some characters exchanged, and so those that stand for them."""
        table = {ord(char): escape for char, escape in escapes.items()}
        table |= {known: escapes[char] for known, char in self._meant.items() if char in escapes}
        return text.translate(table)


def whole(text: str) -> str:
    """A finished text: bytes that are characters together become them, others are replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
