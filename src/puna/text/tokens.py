"""What text needs to know of a vocabulary: its special tokens, and tokenising that heeds them.

The partition at special tokens is the library's own, step for step, so that text can be cut
there before it is tokenised. Who may write a special token is decided in `guard.py`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol

import msgspec

# A user-defined token with a pipe inside its brackets (`<|start|>`, `<｜User｜>`, `[|user|]`) is
# a turn marker in all but type. Others (`<table>`, runs of spaces) are ordinary text.
_MARKER = re.compile(r"[<\[][|｜].*|.*[|｜][>\]]", re.DOTALL)
# What C's isspace() takes for a space.
_SPACES = " \t\n\v\f\r"


class Special(msgspec.Struct, frozen=True):
    """A token that is matched as a whole before text is tokenised.

    `strips_left` and `strips_right` say whether the white space around it goes with it.
    """

    token: int
    text: str
    kind: Literal["control", "unknown", "user"]
    strips_left: bool = False
    strips_right: bool = False

    @property
    def protected(self) -> bool:
        """Whether text from people must never become this token."""
        return self.kind != "user" or _MARKER.fullmatch(self.text) is not None

    @property
    def markup(self) -> bool:
        """Whether this token is what is meant where its name is written, and no text is."""
        return self.protected or (self.text.startswith("<") and self.text.endswith(">"))


class Tokenizer(Protocol):
    """A vocabulary as an engine offers it."""

    @property
    def specials(self) -> Sequence[Special]:
        """All control, unknown and user-defined tokens, by id."""
        ...

    @property
    def bos(self) -> int | None:
        """The token that begins a text, if there is one."""
        ...

    @property
    def adds_bos(self) -> bool:
        """Whether a prompt begins with BOS."""
        ...

    @property
    def lead(self) -> bytes:
        """What tokenising puts before a text, and detokenising takes away: a space or nothing."""
        ...

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """A text's tokens, without BOS and EOS; `special`: control tokens are matched in it."""
        ...

    def piece(self, token: int) -> bytes:
        """A token's bytes; for a control token those of its name."""
        ...


class Specials:
    """The special tokens of one vocabulary, ready for use. Made once for each model."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        # The longest first, as the library has it; of two with one text the library's choice.
        ordered = sorted(tokenizer.specials, key=lambda special: -len(special.text.encode()))
        self.all = tuple(ordered)
        self._rank: dict[str, tuple[int, Special]] = {}
        for rank, special in enumerate(ordered):
            known = self._rank.get(special.text)
            if known is None or tokenizer.tokenize(special.text, special=True) == [special.token]:
                self._rank[special.text] = (rank, special)
        self._starts = _Starts(special.text for special in ordered)
        self.protected = frozenset(special.text for special in ordered if special.protected)
        self._protected_tokens = {special.token for special in ordered if special.protected}
        self._protected_starts = _Starts(self.protected)
        self.hidden = frozenset(special.token for special in ordered if special.kind != "user")

    def partition(self, text: str) -> list[int | str]:
        """A text cut at its special tokens: their ids, and the text between them."""
        found = {self._rank[word] for _, word in self._starts.within(text)}
        fragments: list[int | str] = [text] if text else []
        for _, special in sorted(found, key=lambda entry: entry[0]):
            fragments = [
                piece
                for fragment in fragments
                for piece in ([fragment] if isinstance(fragment, int) else _cut(fragment, special))
            ]
        return fragments

    def plain(self, text: str) -> list[int]:
        """The tokens of a text none of whose words may become a protected token."""
        tokens = self.tokenizer.tokenize(text, special=False)
        if self._protected_tokens.isdisjoint(tokens):
            return tokens
        # The library matches user-defined tokens in any text, and its merges may arrive at a
        # control token; neither happens where the text is cut inside each of their names.
        cuts = sorted({at + 1 for at, _ in self._protected_starts.within(text)})
        parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]
        tokens = self.tokenizer.tokenize(parts[0], special=False)
        for part in parts[1:]:
            tokens += self.continued(part)
        return tokens

    def continued(self, text: str) -> list[int]:
        """The tokens of a text that goes on another, without the space before a first word."""
        lead = self.tokenizer.lead
        if not lead:
            return self.tokenizer.tokenize(text, special=False)
        # A line break is a token of its own nearly everywhere: after it no space is put.
        tokens = self.tokenizer.tokenize("\n" + text, special=False)
        before = b""
        for count, token in enumerate(tokens, start=1):
            before += self.tokenizer.piece(token)
            if before == lead + b"\n":
                return tokens[count:]
        return self.tokenizer.tokenize(text, special=False)


class _Starts:
    """Finds where any of many words starts in a text, overlapping ones too."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = {word for word in words if word}
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for word in self._words:
            lengths[word[0]].add(len(word))
        self._lengths = {first: sorted(found) for first, found in lengths.items()}
        self._first = re.compile(f"[{re.escape(''.join(lengths))}]" if lengths else r"(?!)")

    def within(self, text: str) -> Iterator[tuple[int, str]]:
        for match in self._first.finditer(text):
            at = match.start()
            for length in self._lengths[match[0]]:
                if (word := text[at : at + length]) in self._words:
                    yield at, word


def _cut(text: str, special: Special) -> list[int | str]:
    pieces = text.split(special.text)
    fragments: list[int | str] = []
    for index, piece in enumerate(pieces):
        if index > 0:
            fragments.append(special.token)
            piece = piece.lstrip(_SPACES) if special.strips_right else piece
        if index < len(pieces) - 1 and special.strips_left:
            piece = piece.rstrip(_SPACES)
        if piece:
            fragments.append(piece)
    return fragments
