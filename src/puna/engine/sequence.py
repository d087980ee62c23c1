"""One output on its way: what the engine was asked, how far it is, and what it gives back."""

from collections.abc import Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from puna.deltas import FinishReason
from puna.engine.breakers import Breakers
from puna.engine.constraints import Compiled, Matcher
from puna.engine.context import Floats
from puna.engine.logprobs import Scored
from puna.engine.pictures import Picture, cut_after, cut_before, text_length
from puna.engine.sampling import Drawn, Sampler
from puna.engine.speculation import DRAFT_COST, Speculation
from puna.errors import ErrorReport
from puna.jobs import Limits, Sampling


@dataclass(frozen=True, slots=True)
class Request:
    """What the engine is asked for: tokens in, tokens out.

    `length` is how many tokens the sequence may have in all. `after` names a request whose prompt
    this one shares, so that it waits for that one's prefill. `breakers` are DRY's, found in the
    vocabulary already. `speculation` knows the prompt, and
    is this request's own. `emitted`, `sampler` and `memory` are of a request that ran before, here
    or elsewhere. `pictures` are what negative tokens stand for.
    """

    key: str
    tokens: tuple[int, ...]
    length: int
    seed: int
    space: Hashable = ""
    sampling: Sampling = field(default_factory=Sampling)
    breakers: Breakers | None = None
    limits: Limits = field(default_factory=Limits)
    constraint: Compiled | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    shift: bool = False
    keep: int = 0
    rank: int = 0
    after: str = ""
    speculation: Speculation | None = None
    adapters: tuple[tuple[int, float], ...] = ()
    pictures: Mapping[int, Picture] = field(default_factory=dict[int, Picture])
    emitted: tuple[int, ...] = ()
    sampler: bytes = b""
    memory: bytes = b""


@dataclass(frozen=True, slots=True)
class Finish:
    """Why an output ended, and which token ended it, where one did."""

    reason: FinishReason
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Paused:
    """A request taken off the engine: its tokens so far, and what else goes with them."""

    emitted: tuple[int, ...]
    sampler: bytes
    memory: bytes


@dataclass(slots=True)
class Output:
    """What a step brought for one request.

    `drawn` does not have the token that ended the output; `count` counts it. `cached` is there
    once, when the prompt is done: how many of its tokens the cache had, and with it `seated`, the
    time at which the request got its slot. `progress` says how far the prompt is, `sampler` is what
    the sampler needs to go on behind what was drawn, besides the tokens.
    """

    key: str
    drawn: list[Drawn] = field(default_factory=list[Drawn])
    count: int = 0
    cached: int | None = None
    prompt_logprobs: list[Scored | None] = field(default_factory=list[Scored | None])
    seated: float = 0.0
    progress: int | None = None
    sampler: bytes = b""
    finish: Finish | None = None
    paused: Paused | None = None
    error: ErrorReport | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """An image that a sequence is to see, and its vectors once they are there."""

    picture: Picture
    vectors: Future[Floats]


@dataclass(slots=True, eq=False)
class Sequence:
    """One request inside the engine.

    `tokens` is the prompt and what was emitted; `computed` says how many of them the cache holds.
    What is pending is the rest, and that is all there is to prefill, decode and resume. It has
    `started` once only what was just drawn is pending.
    """

    request: Request
    arrival: int
    sampler: Sampler
    matcher: Matcher | None
    tokens: list[int]
    prompt: int
    slot: int = -1
    computed: int = 0
    emitted: list[int] = field(default_factory=list[int])
    cached: int = 0
    turn: int = 0
    started: bool = False
    announced: bool = False
    long: bool = False
    saved: tuple[bytes, int] = (b"", 0)
    seated: float = 0.0
    look: Look | None = None
    prompt_logprobs: list[Scored | None] = field(default_factory=list[Scored | None])

    @property
    def pending(self) -> int:
        """How many tokens the cache does not hold yet; the last one's logits give the next."""
        return len(self.tokens) - self.computed

    @property
    def room(self) -> int:
        """How many more tokens may come, by the request's limit and its length."""
        room = self.request.length - len(self.tokens)
        most = self.request.limits.max_tokens
        return room if most is None else min(room, most - len(self.emitted))

    @property
    def picture(self) -> Picture | None:
        """The image that is to be computed next, if it is one's turn."""
        token = self.tokens[self.computed] if self.pending else 0
        return self.request.pictures[token] if token < 0 else None

    @property
    def blind(self) -> bool:
        """Whether it waits for an image to be encoded, and till then takes part in no step."""
        return self.look is not None and self.picture is not None and not self.look.vectors.done()

    @property
    def next_picture(self) -> Picture | None:
        """The first image among what is pending."""
        at = self.computed + self.text
        return self.request.pictures[self.tokens[at]] if at < len(self.tokens) else None

    @property
    def text(self) -> int:
        """How many of the pending tokens come before the next image."""
        if not self.request.pictures or self.started:
            return self.pending
        return text_length(self.tokens, self.computed)

    @property
    def scored(self) -> int:
        """How many tokens may be there without being computed anew, for the prompt's scores."""
        if self.request.prompt_logprobs is None or self.announced:
            return len(self.tokens)
        return max(0, len(self.prompt_logprobs) - 1)

    @property
    def exhausted(self) -> bool:
        """Whether as many tokens are out as were asked for."""
        most = self.request.limits.max_tokens
        return most is not None and len(self.emitted) >= most

    @property
    def entitlement(self) -> tuple[int, int]:
        """Who goes first: the lower."""
        return (self.request.rank, self.arrival)

    def append(self, token: int) -> None:
        """One more token has been emitted."""
        self.tokens.append(token)
        self.emitted.append(token)
        self.sampler.accept(token)
        if self.matcher is not None:
            self.matcher.accept(token)
        if self.request.speculation is not None:
            self.request.speculation.accept(token)

    def look_away(self) -> None:
        """Ask no longer for an image to be encoded; what is known of it is let go."""
        if self.look is not None:
            self.look.vectors.cancel()
            self.look = None

    def draft(self, most: int) -> list[int]:
        """A guess at the next tokens, if there is one that is worth its cost."""
        if self.request.speculation is None or self.pending != 1:
            return []
        drafts = self.request.speculation.draft(DRAFT_COST, most)
        return drafts[: self.matcher.allowed(drafts)] if self.matcher is not None else drafts

    def shift(self) -> int | None:
        """Drop the older half of the tokens behind those to keep, and say how many are kept.

        None where there is nothing to drop.
        """
        keep = cut_before(self.tokens, min(self.request.keep, self.request.length // 2))
        drop = cut_after(self.tokens, keep + (len(self.tokens) - keep) // 2) - keep
        if not self.request.shift or drop < 1:
            return None
        del self.tokens[keep : keep + drop]
        self.prompt = max(keep, self.prompt - drop)
        self.started, self.long = False, True
        return keep
