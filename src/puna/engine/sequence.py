"""One output on its way: what the engine was asked, how far it is, and what it gives back."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from puna.engine.constraints import Compiled, Matcher
from puna.engine.logprobs import Scored
from puna.engine.sampling import Drawn, Sampler
from puna.errors import ErrorReport
from puna.jobs import FinishReason, Limits, Sampling


@dataclass(frozen=True, slots=True)
class Request:
    """What the engine is asked for: tokens in, tokens out.

    `length` is how many tokens the sequence may have in all. `after` names a request whose prompt
    this one shares, so that it waits for that one's prefill. `emitted`, `sampler` and `memory` are
    of a request that ran before, here or elsewhere.
    """

    key: str
    tokens: tuple[int, ...]
    length: int
    seed: int
    space: Hashable = ""
    sampling: Sampling = field(default_factory=Sampling)
    limits: Limits = field(default_factory=Limits)
    constraint: Compiled | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    shift: bool = False
    keep: int = 0
    rank: int = 0
    after: str = ""
    speculate: bool = True
    adapters: tuple[tuple[int, float], ...] = ()
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
    time at which the request got its slot. `progress` says how far the prompt is.
    """

    key: str
    drawn: list[Drawn] = field(default_factory=list[Drawn])
    count: int = 0
    cached: int | None = None
    prompt_logprobs: list[Scored | None] = field(default_factory=list[Scored | None])
    seated: float = 0.0
    progress: int | None = None
    finish: Finish | None = None
    paused: Paused | None = None
    error: ErrorReport | None = None


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
    prompt_logprobs: list[Scored | None] = field(default_factory=list[Scored | None])

    @property
    def pending(self) -> int:
        """How many tokens the cache does not hold yet; the last one's logits give the next."""
        return len(self.tokens) - self.computed

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

    def shift(self) -> int | None:
        """Drop the older half of the tokens behind those to keep, and say how many are kept.

        None where there is nothing to drop.
        """
        keep = min(self.request.keep, self.request.length // 2)
        drop = (len(self.tokens) - keep) // 2
        if not self.request.shift or drop < 1:
            return None
        del self.tokens[keep : keep + drop]
        self.prompt = max(keep, self.prompt - drop)
        self.started, self.long = False, True
        return keep
