"""Sampling: which token comes next, given the model's logits.

The samplers are llama.cpp's, in its order: biases and bans, penalties, DRY, then cuts (top_k,
typical_p, top_p, min_p, XTC), temperature, and the draw. Drawing changes nothing: neither the
logits nor the sampler, which only `accept` moves on. All but mirostat's `mu` follows from the
seed and the tokens.
"""

import math
import struct
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from puna.engine import mirostat
from puna.engine.biases import Biases, Ends
from puna.engine.breakers import Breakers
from puna.engine.candidates import Candidates, Indices, Logits, Weights, total
from puna.engine.cuts import cut, tosses
from puna.engine.draw import pick, uniform
from puna.engine.dry import Dry
from puna.engine.logprobs import Scale, Top
from puna.engine.penalties import Penalties
from puna.errors import BadRequest, EngineFailed
from puna.jobs import Limits, Sampling

# As llguidance fills it: one bit for each token in words of 32, the lowest bit first. Tokens
# beyond its end are not allowed.
Mask = NDArray[np.uint32] | NDArray[np.int32]

_MU = struct.Struct("<d")
# So few tokens are looked at one by one rather than found among all.
_FEW = 8192


@dataclass(frozen=True, slots=True)
class Drawn:
    """A token, and where asked for its log-probability and the likeliest in its place."""

    token: int
    logprob: float | None = None
    top: Top = ()


class Sampler:
    """The samplers of one sequence."""

    def __init__(
        self,
        sampling: Sampling,
        limits: Limits,
        *,
        seed: int,
        vocabulary: int,
        prompt: Sequence[int] = (),
        end_tokens: Sequence[int] = (),
        logprobs: int | None = None,
        breakers: Breakers | None = None,
    ) -> None:
        """`breakers` are DRY's; `logprobs` is how many of the likeliest tokens to name."""
        self._sampling = sampling
        self._seed = seed
        self._vocabulary = vocabulary
        self._logprobs = logprobs
        self._outputs = 0
        self._biases = Biases(sampling, vocabulary)
        self._ends = Ends(limits, end_tokens, vocabulary)
        self._mu = mirostat.first_mu(sampling)
        self._surprise: tuple[int, float] | None = None
        penalised = not sampling.mirostat
        self._penalties = (
            Penalties(sampling, prompt) if penalised and Penalties.wanted(sampling) else None
        )
        self._dry = (
            Dry(sampling, prompt, breakers or Breakers())
            if penalised and Dry.wanted(sampling)
            else None
        )
        # The likeliest token alone will do: no sampler takes it away, and chance has no say.
        self._likeliest = (
            sampling.temperature == 0
            and not sampling.mirostat
            and sampling.typical_p == 1
            and not tosses(sampling)
            and self._biases.allowed is None
        )
        self._untouched = not (self._biases.tokens.size or self._penalties or self._dry)

    def accept(self, token: int) -> None:
        """The output has grown by this token, drawn here or not."""
        if self._surprise and self._surprise[0] == token:
            self._mu = mirostat.next_mu(self._sampling, self._mu, self._surprise[1])
        self._surprise = None
        self._outputs += 1
        if self._penalties:
            self._penalties.accept(token)
        if self._dry:
            self._dry.accept(token)

    def forbids(self, token: int) -> bool:
        """Whether a ban, or the list of those that alone are allowed, keeps this token out."""
        return self._biases.bans(token)

    def draw(self, logits: Logits, mask: Mask | None = None) -> Drawn:
        """The next token; `mask` is what a constraint allows.

        The logits are changed and put back meanwhile: no one else may read them at the time.
        """
        if self._logprobs is None and (token := self._obvious(logits, mask)) is not None:
            return Drawn(token)
        row = None if self._logprobs is None else Candidates(logits)
        left, weights = self.choices(logits, mask, row)
        place = pick(weights, uniform(self._seed, self._outputs, "token"))
        token = left.id_at(place)
        if self._sampling.mirostat:
            self._surprise = (token, math.log2(total(weights) / float(weights[place])))
        if row is None or self._logprobs is None:
            return Drawn(token)
        scale = Scale(row, self._logprobs)
        return Drawn(token, scale.of(token), scale.top)

    def _obvious(self, logits: Logits, mask: Mask | None) -> int | None:
        """The token that all the rest comes to, where the highest logit is all there is to find."""
        if not (self._likeliest and self._untouched) or mask is not None:
            return None
        token = int(logits.argmax())
        is_token = math.isfinite(logits[token])
        return token if is_token and token not in self._ends.banned(self._outputs) else None

    def choices(
        self, logits: Logits, mask: Mask | None = None, row: Candidates | None = None
    ) -> tuple[Candidates, Weights]:
        """The tokens from which the next one is drawn, and what each weighs.

        `row` is all of them as the model has them, where that is known already. The logits of what
        is left may be those of the row, from which all adjustments are gone by then.
        """
        ends = self._ends.banned(self._outputs)
        # Where a constraint leaves only tokens that end, an end comes however short it is.
        for banned in (ends, ends[:0]) if ends.size else (ends,):
            with self._adjusted(logits, banned) as adjusted:
                candidates = self._candidates(logits, mask, None if adjusted else row)
                if candidates.peak > -math.inf:
                    return self._left(candidates)
        if Candidates(logits).peak == -math.inf:
            raise EngineFailed("The model held no token possible.", "Check the model's file.")
        raise BadRequest("The bans and the constraint together leave no token to come next.")

    def state(self) -> bytes:
        """What seed and tokens cannot bring back."""
        return _MU.pack(self._mu) if self._sampling.mirostat else b""

    def restore(self, state: bytes) -> None:
        """Go on from a state, after all tokens up to it have been accepted."""
        if not self._sampling.mirostat:
            return
        (mu,) = _MU.unpack(state) if len(state) == _MU.size else (math.nan,)
        if not math.isfinite(mu):
            raise BadRequest("The state to go on from is not one of mirostat.")
        self._mu = mu

    @contextmanager
    def _adjusted(self, logits: Logits, banned: Indices) -> Generator[bool]:
        """Adjust the logits in this block; whether there was anything to adjust."""
        before: list[tuple[Indices, Logits]] = []

        def adjust(tokens: Indices, adjusted: Logits) -> None:
            before.append((tokens, logits[tokens]))
            logits[tokens] = adjusted

        try:
            if (tokens := self._biases.tokens).size:
                adjust(tokens, logits[tokens] + self._biases.values)
            if self._penalties:
                tokens = self._penalties.tokens
                adjust(tokens, self._penalties.applied(logits[tokens]))
            if self._dry:
                tokens, losses = self._dry.penalties()
                adjust(tokens, logits[tokens] - losses)
            if banned.size:
                adjust(banned, np.full(banned.size, -np.inf, np.float32))
            yield bool(before)
        finally:
            for tokens, values in reversed(before):
                logits[tokens] = values

    def _candidates(self, logits: Logits, mask: Mask | None, row: Candidates | None) -> Candidates:
        if self._likeliest and (likeliest := _likeliest(logits, mask)) is not None:
            return likeliest
        tokens = self._biases.allowed
        if mask is None:
            if tokens is None:
                return row or Candidates(logits)
            return Candidates(logits[tokens], tokens)
        bits = _bits(mask, self._vocabulary)
        if tokens is not None:
            tokens = tokens[_among(bits, tokens)]
            return Candidates(logits[tokens], tokens)
        wanted = 0 if self._sampling.mirostat else self._sampling.top_k
        if wanted and np.bitwise_count(mask.view(np.uint32)).sum() > _FEW:
            # The best of those allowed are among the best of all, if enough of these are allowed.
            best = (row or Candidates(logits)).best(4 * wanted)
            best = best[_among(bits, best)]
            if best.size >= wanted:
                return Candidates(logits[best], best)
        allowed = np.unpackbits(bits, bitorder="little", count=self._vocabulary)
        tokens = np.flatnonzero(allowed.view(np.bool_))
        return Candidates(logits[tokens], tokens)

    def _left(self, candidates: Candidates) -> tuple[Candidates, Weights]:
        rules = self._sampling
        if candidates.size == 1:
            return candidates, candidates.weights()
        if rules.mirostat:
            candidates = candidates.tempered(rules.temperature)
            candidates = mirostat.cut(candidates, rules, self._mu, self._vocabulary)
            return candidates, candidates.weights()
        coin = uniform(self._seed, self._outputs, "exclude_top_choices")
        candidates = cut(candidates, rules, coin)
        if rules.temperature == 0:
            candidates = candidates.keep(candidates.best(1))
        return candidates, candidates.weights(rules.temperature)


def _likeliest(logits: Logits, mask: Mask | None) -> Candidates | None:
    """The likeliest token alone, unless a constraint forbids it."""
    token = np.asarray([logits.argmax()], np.intp)
    if mask is not None and not _among(_bits(mask, logits.size), token).all():
        return None
    return Candidates(logits[token], token)


def _bits(mask: Mask, vocabulary: int) -> NDArray[np.uint8]:
    bits = mask.view(np.uint8)
    missing = (vocabulary + 7) // 8 - bits.size
    return np.pad(bits, (0, missing)) if missing > 0 else bits


def _among(bits: NDArray[np.uint8], tokens: Indices) -> NDArray[np.bool_]:
    return (bits[tokens >> 3] >> (tokens & 7) & 1).astype(np.bool_)
