"""Grammars as Lark for llguidance: rules gathered, and literals of markup as parts of them."""

import json
import re
from collections.abc import Callable

from puna.text.markup.format import GAP
from puna.text.markup.words import split

TokenOf = Callable[[str], int | None]

_GAP = "/[A-Za-z0-9_.:-]{1,40}/"
_ANY = "/(?s:.*)/"


class Rules:
    """The rules of one grammar.

    `token_of` knows which words of the markup are tokens of their own in the vocabulary.
    """

    def __init__(self, token_of: TokenOf) -> None:
        self._token_of = token_of
        self._rules: list[str] = []

    def rule(self, name: str, body: str) -> str:
        """One more rule; its name, with its number."""
        name = f"{name}_{len(self._rules)}"
        self._rules.append(f"{name}: {body}")
        return name

    def grammar(self, start: str) -> str:
        """All rules, the first of them `start`."""
        return "\n".join([f"start: {start}", *self._rules])

    def literal(self, literal: str) -> str:
        """A literal, its tokens as tokens, its gaps as gaps."""
        written: list[str] = []
        for word in split(literal):
            token = self._token_of(word)
            if word == GAP:
                written.append(_GAP)
            elif token is not None:
                written.append(f"<[{token}]>")
            else:
                written.append(json.dumps(word, ensure_ascii=False))
        return " ".join(written)

    def text_up_to(self, close: str) -> str:
        """Text up to what closes it, and that."""
        first, *rest = [word for word in split(close) if not word.isspace()]
        following = self.literal("".join(rest))
        if self._token_of(first) is None:
            name = f"text_{len(self._rules)}"
            self._rules.append(f"{name}[suffix={json.dumps(first, ensure_ascii=False)}]: {_ANY}")
            return f"{name} {following}"
        # Spelled out of other tokens, the word would close the text for whoever reads it.
        spelled = re.escape(first).replace("/", r"\/")
        name = f"TEXT_{len(self._rules)}"
        self._rules.append(f"{name}: {_ANY} & ~/(?s:.*){spelled}(?s:.*)/")
        return f"{name} {self.literal(first)} {following}"
