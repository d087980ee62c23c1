"""What the next step computes: every running decode, and as much prefill as its time allows."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from puna.engine.batches import Span
from puna.engine.guessing import Guessing
from puna.engine.pictures import Picture
from puna.engine.sequence import Sequence
from puna.engine.turns import Turns
from puna.protocol import Pace

# What a step should take at most while none may be aborted: who cancels waits for its end.
HURRIED_SECONDS = 0.04
# What a step of prefill alone should take at most, so that a newcomer is not kept waiting long.
ALONE_SECONDS = 0.25
LEAST_CHUNK = 4
# Fewer tokens at once are computed far more slowly each, on a CPU at least.
LEAST_ALONE = 64
# Such a part of its time a step of prefill alone may wait for others to join it.
PATIENCE = 1 / 16
# So many steps with prefill in them before one without shows what decoding alone takes.
REFRESH = 48


@dataclass(frozen=True, slots=True)
class Share:
    """A sequence's part of a step: how many pending tokens, and the drafts behind them.

    With a picture, the tokens are all of its own, and the share is the whole step.
    """

    sequence: Sequence
    tokens: int
    drafts: list[int] = field(default_factory=list[int])
    picture: Picture | None = None

    @property
    def outputs(self) -> int:
        """How many rows of logits it wants, counted from its end."""
        if self.sequence.request.prompt_logprobs is not None and not self.sequence.started:
            return self.tokens
        return 1 + len(self.drafts) if self.complete else 0

    @property
    def complete(self) -> bool:
        """Whether the sequence's next token can be drawn after this step."""
        return self.tokens == self.sequence.pending

    @property
    def span(self) -> Span:
        """What of it goes into the context's batch."""
        begin = self.sequence.computed
        tokens = self.sequence.tokens[begin : begin + self.tokens]
        return Span(self.sequence.slot, begin, tokens + self.drafts, self.outputs)


@dataclass(frozen=True, slots=True)
class Work:
    """How much of what there is in a step."""

    prefill: int
    decodes: int
    drafts: int
    pictures: int

    @classmethod
    def of(cls, shares: list[Share]) -> "Work":
        """What is in these shares, before anything came of them."""
        return cls(
            prefill=sum(share.tokens for share in shares if not share.sequence.started),
            decodes=sum(share.sequence.started for share in shares),
            drafts=sum(len(share.drafts) for share in shares),
            pictures=sum(share.picture is not None for share in shares),
        )


class Tempo:
    """Learns from the clock what steps take, and from that how much may go into one.

    Beside running decodes a chunk of prefill is steered so that the step takes `stretch` times
    what it takes without; alone, so that it takes ALONE_SECONDS. While `hurried`, a step takes no
    more tokens, of whatever kind, than are known to be computed in HURRIED_SECONDS.
    """

    def __init__(self, pace: Pace, batch: int) -> None:
        self._stretch = pace.stretch
        self._batch = batch
        self._decode: dict[int, float] = {}
        self._chunk = min(16.0, batch)
        self._alone = min(64.0, batch)
        # Seconds for each token of prefill alone, as far as that is known.
        self._each = 0.0
        self._since = 0
        self._guessing: dict[int, Guessing] = {}
        self.hurried = False
        self.turns = Turns()

    @property
    def hurried_tokens(self) -> int:
        """How many tokens are known to be computed in HURRIED_SECONDS; one at least."""
        fitting = (count for count, took in self._decode.items() if took <= HURRIED_SECONDS)
        return max(fitting, default=1)

    @property
    def alone(self) -> int:
        """Tokens of prefill in a step that nobody's next token waits for."""
        return int(self._alone)

    def patience(self, tokens: int) -> float:
        """How long a step of so many tokens of prefill alone may wait for others to join it."""
        return min(tokens * self._each, ALONE_SECONDS) * PATIENCE

    def expected(self, work: Work) -> float:
        """How long a step will take, where it is of decodes and that is known; else for ever."""
        if work.prefill or work.pictures:
            return inf
        return self._decode.get(self._bucket(work.decodes), inf)

    def beside(self, decodes: int) -> int:
        """Tokens of prefill in a step with so many decodes; 0 now and then, to measure."""
        self._since += 1
        if self._since > REFRESH or self._bucket(decodes) not in self._decode:
            self._since = 0
            return 0
        return int(self._chunk)

    def may_guess(self, decodes: int) -> bool:
        """Whether there may be guesses in a step of so many decodes."""
        return not self.hurried and self._guessing_at(decodes).on

    def record(self, work: Work, seconds: float, accepted: int) -> None:
        """What a step took with all that came of it; an image's says nothing about the others."""
        if work.pictures:
            return
        prefill, decodes = work.prefill, work.decodes
        plain = self._decode.get(self._bucket(decodes))
        if not prefill:
            guessing = self._guessing_at(decodes)
            if not work.drafts and not guessing.behind:
                before = seconds if plain is None else plain
                after = before + 0.2 * (min(seconds, 4 * before) - before)
                self._decode[self._bucket(decodes)] = after
            guessing.record(seconds, decodes + accepted, guessed=work.drafts > 0)
        elif not decodes:
            if prefill >= LEAST_ALONE:
                self._each = seconds / prefill
            self._alone = self._steer(self._alone, prefill, ALONE_SECONDS / seconds, LEAST_ALONE)
        elif plain is not None:
            extra = max(seconds - plain, 1e-6)
            self._chunk = self._steer(self._chunk, prefill, (self._stretch - 1) * plain / extra)

    def _guessing_at(self, decodes: int) -> Guessing:
        # What is alike is learnt together: up to 2, 4, 8, 16, … at once.
        return self._guessing.setdefault((decodes - 1).bit_length(), Guessing())

    def _steer(self, now: float, used: int, ratio: float, least: int = LEAST_CHUNK) -> float:
        """Towards what would have fitted, by halves at most; a smaller part proves nothing."""
        if used < now * 0.7 and ratio > 1:
            return now
        return min(max(used * min(max(ratio, 0.5), 1.3), least), self._batch)

    @staticmethod
    def _bucket(decodes: int) -> int:
        return decodes if decodes <= 8 else (decodes + 3) // 4 * 4


def plan(running: Iterable[Sequence], tempo: Tempo, batch: int, outputs: int) -> list[Share]:
    """The shares of the next step.

    Of the running sequences those of one adapter set take part, each set in its turn. Short
    prompts go in whole; long ones take turns at the chunk, the one that waited longest first; an
    image is a step of its own. `running` is in the order of turns.
    """
    members = list(running)
    if not members:
        return []
    adapters = tempo.turns.next_set([one.request.adapters for one in members])
    members = [one for one in members if one.request.adapters == adapters]
    if tempo.hurried and (shares := _hurried(members, tempo.hurried_tokens, outputs)):
        return shares
    if (share := _picture(members, tempo)) is not None:
        return [share]
    decodes = [one for one in members if one.started]
    shares: list[Share] = []
    for sequence in decodes:
        tokens = min(sequence.pending, batch)
        if tokens > 0 and outputs > 0:
            shares.append(Share(sequence, tokens))
            batch, outputs = batch - tokens, outputs - 1
    chunk = min(tempo.beside(len(shares)) if shares else tempo.alone, batch)
    whole = batch
    for sequence in members:
        if sequence.started or batch <= 0 or outputs <= 0:
            continue
        # What does not fit beside the decodes would wait for as long as they go on.
        short = not sequence.long and sequence.pending <= whole
        room = batch if short else min(chunk, batch)
        tokens = min(sequence.text, room)
        if short and tokens < sequence.text:
            continue
        if sequence.request.prompt_logprobs is not None:
            tokens = min(tokens, outputs)
        if tokens > 0:
            shares.append(Share(sequence, tokens))
            batch -= tokens
            outputs -= tokens if sequence.request.prompt_logprobs is not None else 1
            chunk -= 0 if short else tokens
    return shares


def _hurried(members: list[Sequence], tokens: int, outputs: int) -> list[Share]:
    """The shares of a short step: those who waited longest, but for images, which are long."""
    shares: list[Share] = []
    for sequence in members:
        share = min(sequence.text, tokens, outputs)
        if share > 0:
            shares.append(Share(sequence, share))
            tokens -= share
            outputs -= shares[-1].outputs
    return shares


def _picture(members: list[Sequence], tempo: Tempo) -> Share | None:
    """The step of the image that waited longest, if the others can wait for it."""
    for sequence in members:
        if (picture := sequence.picture) is not None:
            others = any(one.picture is None for one in members)
            if others and not tempo.turns.picture_is_due():
                return None
            return Share(sequence, picture.cells, picture=picture)
    return None
