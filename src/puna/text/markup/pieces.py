"""The pieces of an answer: what a parser makes of a model's text."""

import msgspec


class Text(msgspec.Struct, frozen=True):
    """A piece of the answer itself."""

    text: str


class Thinking(msgspec.Struct, frozen=True):
    """A piece of what is thought before the answer."""

    text: str


class CallStart(msgspec.Struct, frozen=True):
    """A tool call begins."""

    index: int
    name: str


class CallArguments(msgspec.Struct, frozen=True):
    """A piece of the arguments; all of a call's joined are the JSON text of one object."""

    index: int
    text: str


class CallEnd(msgspec.Struct, frozen=True):
    """A tool call is whole. One that is cut off or broken has no end."""

    index: int


Piece = Text | Thinking | CallStart | CallArguments | CallEnd


class Tray:
    """Gathers pieces, neighbours of one kind joined, until they are taken away."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._index = -1
        self.said_text = False

    def text(self, text: str) -> None:
        """Lay down a piece of text."""
        if not text:
            return
        self.said_text = True
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, Text):
            self._pieces[-1] = Text(last.text + text)
        else:
            self._pieces.append(Text(text))

    def thinking(self, text: str) -> None:
        """Lay down a piece of thinking."""
        if not text:
            return
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, Thinking):
            self._pieces[-1] = Thinking(last.text + text)
        else:
            self._pieces.append(Thinking(text))

    def start(self, name: str) -> None:
        """Begin the next call."""
        self._index += 1
        self._pieces.append(CallStart(self._index, name))

    def arguments(self, text: str) -> None:
        """Lay down a piece of the present call's arguments."""
        if not text:
            return
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, CallArguments):
            self._pieces[-1] = CallArguments(self._index, last.text + text)
        else:
            self._pieces.append(CallArguments(self._index, text))

    def end(self) -> None:
        """The present call is whole."""
        self._pieces.append(CallEnd(self._index))

    def taken(self) -> list[Piece]:
        """What lies here; the tray is empty afterwards."""
        pieces, self._pieces = self._pieces, []
        return pieces
