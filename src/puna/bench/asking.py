"""What a server is asked, in no API's form, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

Kind = Literal["chat", "complete", "embed"]
# What can go wrong with a request:
#   unreachable  there was no connection         refused   the server said no at once
#   told         it told an error in mid-answer  broken    the answer ended before its end
#   timeout      it took too long                malformed what came is not of the API
#   miscounted   the server's counts and the pieces that it sent contradict each other
Fault = Literal["unreachable", "refused", "told", "broken", "timeout", "malformed", "miscounted"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: what it says, and how many tokens it wants."""

    kind: Kind
    messages: tuple[Message, ...]
    output: int

    @property
    def text(self) -> str:
        """What was said last: all there is, but in a chat."""
        return self.messages[-1].text


@dataclass(frozen=True, slots=True)
class Told:
    """What a server's answer says, as its API puts it."""

    pieces: tuple[float, ...] = ()
    text: str = ""
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    fault: Fault | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request from when it was due to its end, by this process's clock."""

    ask: Ask
    due: float
    ended: float
    told: Told = field(default_factory=Told)

    @property
    def fault(self) -> Fault | None:
        """What went wrong, if anything did."""
        return self.told.fault

    @property
    def whole(self) -> float:
        """The seconds that it took in all."""
        return self.ended - self.due

    @property
    def first(self) -> float | None:
        """The seconds until the first piece."""
        return self.told.pieces[0] - self.due if self.told.pieces else None

    @property
    def token(self) -> float | None:
        """The seconds of each token behind the first piece."""
        pieces, tokens = self.told.pieces, self.told.output_tokens or 0
        return (pieces[-1] - pieces[0]) / (tokens - 1) if len(pieces) > 1 < tokens else None

    @property
    def gaps(self) -> Sequence[float]:
        """The seconds between each piece and the next."""
        return [later - sooner for sooner, later in pairwise(self.told.pieces)]


def checked(ask: Ask, told: Told) -> Told:
    """What was told, or that its counts cannot be true."""
    if told.fault is not None or (wrong := _contradiction(ask, told)) is None:
        return told
    return Told(told.pieces, told.text, told.prompt_tokens, told.output_tokens, "miscounted", wrong)


def _contradiction(ask: Ask, told: Told) -> str | None:
    if not told.prompt_tokens:
        return "The server did not count the prompt's tokens."
    if ask.kind == "embed":
        return None
    if told.output_tokens is None:
        return "The server did not count the output's tokens."
    if told.output_tokens > ask.output:
        return f"{told.output_tokens} tokens were counted, and {ask.output} asked for."
    # A piece has at least one token; a token may have no text of its own.
    if len(told.pieces) > told.output_tokens:
        return f"{told.output_tokens} tokens were counted, and {len(told.pieces)} pieces came."
    return None
