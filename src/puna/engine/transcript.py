"""One choice's tokens as they become deltas: text, stop strings, thinking and tool calls.

Streamed pieces joined are the whole: text that may yet become a stop string or markup is held
back, and comes out when it has not.
"""

from collections.abc import Sequence
from typing import assert_never

from puna.deltas import Delta, FinishDelta, TextDelta, ThinkingDelta, TokenLogprob, ToolCallDelta
from puna.engine.logprobs import Scored
from puna.engine.sampling import Drawn
from puna.engine.sequence import Finish
from puna.text.markup.parser import Parser
from puna.text.markup.pieces import CallArguments, CallEnd, CallStart, Piece, Text, Thinking
from puna.text.stops import Stops
from puna.text.stream import TextStream
from puna.text.tokens import Tokenizer


class Transcript:
    """What one choice of a job has said so far."""

    def __init__(
        self,
        choice: int,
        tokenizer: Tokenizer,
        stream: TextStream,
        stops: Stops,
        parser: Parser | None,
    ) -> None:
        self.finished = False
        self.emitted: list[int] = []
        self._choice = choice
        self._tokenizer = tokenizer
        self._stream = stream
        self._stops = stops
        self._parser = parser
        self._calls: dict[int, str] = {}
        self._tokens: list[int] = []
        self._logprobs: list[TokenLogprob] = []

    def push(self, drawn: Sequence[Drawn]) -> list[Delta]:
        """The deltas that these tokens make whole; a finish where a stop string was met."""
        tokens = [one.token for one in drawn]
        self.emitted += tokens
        self._tokens += tokens
        self._logprobs += [self.logprob(one) for one in drawn if one.logprob is not None]
        deltas = self._told(self._stops.push(self._stream.push(tokens)))
        if self._stops.hit is not None:
            deltas += self._ended(FinishDelta("stop", self._choice, self._stops.hit))
        return deltas

    def replay(self, tokens: Sequence[int], *, finished: bool) -> None:
        """Say nothing of these tokens: their deltas have been sent before, from elsewhere."""
        self.push([Drawn(token) for token in tokens])
        self._new_tokens()
        self.finished = finished

    @property
    def holds_back(self) -> bool:
        """Whether there are tokens that nobody has been told of yet."""
        return bool(self._tokens)

    def untold(self) -> list[Delta]:
        """The tokens whose text is held back, without it: the text comes where the job goes on."""
        if not self._tokens:
            return []
        return [TextDelta("", self._choice, *self._new_tokens())]

    def finish(self, finish: Finish) -> list[Delta]:
        """What was held back, and why it ends."""
        text = self._stops.push(self._stream.finish())
        if self._stops.hit is None:
            deltas = self._told(text + self._stops.finish())
            ending = FinishDelta(finish.reason, self._choice, finish.stop)
        else:
            deltas = self._told(text)
            ending = FinishDelta("stop", self._choice, self._stops.hit)
        return deltas + self._ended(ending)

    def _ended(self, ending: FinishDelta) -> list[Delta]:
        self.finished = True
        deltas = self._deltas(self._parser.finish()) if self._parser else []
        deltas += self.untold()
        if self._calls and ending.reason == "stop":
            ending = FinishDelta("tool_calls", self._choice, ending.stop)
        return [*deltas, ending]

    def _told(self, text: str) -> list[Delta]:
        if not text:
            return []
        if self._parser is None:
            return [TextDelta(text, self._choice, *self._new_tokens())]
        return self._deltas(self._parser.push(text))

    def _deltas(self, pieces: Sequence[Piece]) -> list[Delta]:
        return [self._delta(piece) for piece in pieces if not isinstance(piece, CallEnd)]

    def _delta(self, piece: Text | Thinking | CallStart | CallArguments) -> Delta:
        choice = self._choice
        match piece:
            case Text(text):
                return TextDelta(text, choice, *self._new_tokens())
            case Thinking(text):
                return ThinkingDelta(text, choice, *self._new_tokens())
            case CallStart(index, name):
                self._calls[index] = name
                return ToolCallDelta(index, name, "", "", choice, *self._new_tokens())
            case CallArguments(index, part):
                name = self._calls[index]
                return ToolCallDelta(index, name, part, "", choice, *self._new_tokens())
            case _:
                assert_never(piece)

    def _new_tokens(self) -> tuple[tuple[int, ...], tuple[TokenLogprob, ...]]:
        """The tokens that no delta has had yet, and their log-probabilities where asked for."""
        tokens, logprobs = tuple(self._tokens), tuple(self._logprobs)
        self._tokens.clear()
        self._logprobs.clear()
        return tokens, logprobs

    def logprob(self, drawn: Drawn | Scored) -> TokenLogprob:
        """A token's log-probability as clients get it, with its bytes."""
        piece = self._tokenizer.piece
        top = tuple((token, piece(token), logprob) for token, logprob in drawn.top)
        return TokenLogprob(drawn.token, piece(drawn.token), drawn.logprob or 0.0, top)
