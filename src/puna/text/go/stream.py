"""A template's tokens with a look ahead, and how deep the parser is."""

from puna.text.go.faults import Fault
from puna.text.go.lexer import Token, tokens

MAX_DEPTH = 100


class Stream:
    """The tokens of one template, from the first to the end."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._ahead: list[Token] = []
        self._depth = 0

    def next(self) -> Token:
        """The next token."""
        return self._ahead.pop() if self._ahead else next(self._tokens)

    def back(self, *passed: Token) -> None:
        """Take tokens back, so that the first of them comes next."""
        self._ahead += reversed(passed)

    def peek(self) -> Token:
        """The next token, which still comes."""
        token = self.next()
        self.back(token)
        return token

    def next_word(self) -> Token:
        """The next token that is no space."""
        token = self.next()
        return self.next() if token.kind == "space" else token

    def peek_word(self) -> Token:
        """The next token that is no space, which still comes; the space does not."""
        token = self.next_word()
        self.back(token)
        return token

    def deeper(self, token: Token) -> None:
        """One level deeper, from this token on."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.fault(token, f"this is nested deeper than {MAX_DEPTH} levels")

    def up(self) -> None:
        """One level up again."""
        self._depth -= 1

    def fault(self, token: Token, message: str) -> Fault:
        """A mistake at this token."""
        return self.fault_at(token.at, message)

    def fault_at(self, at: int, message: str) -> Fault:
        """A mistake at this place."""
        return Fault(self._source, at, message)
