"""From logits to tokens: each sequence's sampler, constraint and drafts, and when it ends."""

from dataclasses import replace

from msgspec import structs

from puna.engine.context import Context
from puna.engine.logprobs import prompt_scores
from puna.engine.pictures import check_whole
from puna.engine.sampling import Drawn, Sampler
from puna.engine.sequence import Finish, Output, Request, Sequence
from puna.engine.steps import Share
from puna.errors import BadRequest, MissingCapability, PromptTooLong
from puna.jobs import Sampling

MAX_DRAFT = 8


class Drawing:
    """Draws for all sequences of one context."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._vocabulary = context.model.vocabulary

    def sequence(self, request: Request, arrival: int) -> Sequence:
        """A sequence for this request; what it emitted before is replayed."""
        self._check(request)
        sampling = self._suppressed(request.sampling)
        sampler = Sampler(
            sampling,
            request.limits,
            seed=request.seed,
            vocabulary=self._vocabulary.size,
            prompt=tuple(token for token in request.tokens if token >= 0),
            end_tokens=tuple(self._vocabulary.end_tokens),
            logprobs=request.logprobs,
            breakers=request.breakers,
        )
        sequence = Sequence(
            request,
            arrival,
            sampler,
            request.constraint.matcher() if request.constraint else None,
            tokens=list(request.tokens),
            prompt=len(request.tokens),
        )
        for token in request.emitted:
            sequence.append(token)
            if len(sequence.tokens) >= request.length:
                sequence.shift()
        if request.emitted:
            sampler.restore(request.sampler)
        sequence.announced = bool(request.emitted)
        return sequence

    def drafted(self, shares: list[Share], room: int) -> list[Share]:
        """The shares of a step without prefill, with guesses behind those that are worth it."""
        outputs = self._context.outputs_max - len(shares)
        drafted: list[Share] = []
        for share in shares:
            most = min(MAX_DRAFT, outputs, room, share.sequence.room - 1)
            drafts = share.sequence.draft(most) if most > 0 else []
            outputs, room = outputs - len(drafts), room - len(drafts)
            drafted.append(replace(share, drafts=drafts))
        return drafted

    def _check(self, request: Request) -> None:
        """Refuse what would end a step in an error, and with it everybody's work."""
        given, size = request.tokens + request.emitted, self._vocabulary.size
        if not given:
            raise BadRequest("The prompt is empty; the model needs a token at least.")
        if max(given) >= size or (min(given) < 0 and not request.pictures):
            wrong = next(token for token in given if not 0 <= token < size)
            raise BadRequest(f"There is no token {wrong}; the model's are 0 to {size - 1}.")
        check_whole(given, request.pictures)
        if request.pictures and request.prompt_logprobs is not None:
            raise MissingCapability("A prompt with images has no log-probabilities.")
        room = min(request.length, self._context.length)
        if len(request.tokens) >= room or (len(given) >= room and not request.shift):
            raise PromptTooLong(len(given), room)

    def prompt_logprobs(self, sequence: Sequence, rows: range) -> None:
        """Score the prompt's tokens that follow those just computed; before `computed` moves."""
        top = sequence.request.prompt_logprobs
        if top is None or sequence.announced:
            return
        # What is computed a second time is scored a second time.
        del sequence.prompt_logprobs[sequence.computed + 1 :]
        if not sequence.prompt_logprobs:
            sequence.prompt_logprobs.append(None)
        following = sequence.tokens[sequence.computed + 1 :][: len(rows)]
        logits = (self._context.logits(row) for row in rows[: len(following)])
        sequence.prompt_logprobs += prompt_scores(logits, following, top)

    def draw(
        self, sequence: Sequence, rows: range, drafts: list[int], output: Output
    ) -> tuple[int, Finish | None]:
        """Draw from a step's last rows; how many drafts were right, and the end if it came.

        Each row's draw is what it would be without drafts, and the next row counts only if the
        draft was that very token.
        """
        if sequence.exhausted:
            return 0, Finish("length")
        rows = rows[len(rows) - 1 - len(drafts) :]
        for accepted, row in enumerate(rows):
            matcher = sequence.matcher
            mask = matcher.mask() if matcher is not None else None
            drawn = sequence.sampler.draw(self._context.logits(row), mask)
            finish = self._take(sequence, drawn, output)
            if finish is not None or accepted == len(drafts) or drawn.token != drafts[accepted]:
                return accepted, finish
        raise AssertionError("the last row always returns")

    def _take(self, sequence: Sequence, drawn: Drawn, output: Output) -> Finish | None:
        request, token = sequence.request, drawn.token
        output.count += 1
        if self._ends(request, token):
            return Finish("stop", None if token in self._vocabulary.end_tokens else token)
        sequence.append(token)
        output.drawn.append(drawn)
        if sequence.exhausted:
            return Finish("length")
        return self._fast_forward(sequence, output)

    def _fast_forward(self, sequence: Sequence, output: Output) -> Finish | None:
        """Take the tokens that the constraint leaves no choice about, without computing them."""
        request, matcher = sequence.request, sequence.matcher
        if matcher is None:
            return None
        if matcher.stopped:
            return Finish("stop")
        if request.logprobs is not None:
            return None
        for token in matcher.forced()[: request.length - len(sequence.tokens)]:
            if self._ends(request, token) or sequence.sampler.forbids(token):
                # Whether it may come, and what it ends, is for the draw to say.
                return None
            sequence.append(token)
            output.drawn.append(Drawn(token))
            output.count += 1
            if sequence.exhausted:
                return Finish("length")
        return Finish("stop") if matcher.stopped else None

    def _ends(self, request: Request, token: int) -> bool:
        if token in request.limits.stop_tokens:
            return True
        return token in self._vocabulary.end_tokens and not request.limits.ignore_eos

    def _suppressed(self, sampling: Sampling) -> Sampling:
        """The sampling, without the tokens that the model's file says must never be drawn."""
        never = self._vocabulary.suppressed
        if not never:
            return sampling
        return structs.replace(sampling, banned_tokens=sampling.banned_tokens + never)
