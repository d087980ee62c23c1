"""A vocabulary made of any pieces of bytes, to cut streams where no real one does."""

from puna.text.tokens import Special


class Bytes:
    """A vocabulary whose token N is the Nth of these pieces of bytes."""

    bos = None
    adds_bos = False
    lead = b""
    specials: tuple[Special, ...] = ()

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        raise AssertionError("a stream only turns tokens into text")

    def piece(self, token: int) -> bytes:
        return self.pieces[token]
