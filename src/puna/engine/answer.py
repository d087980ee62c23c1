"""A job that generates, on its way: its choices' transcripts, its counts and its times."""

import secrets
import time
from dataclasses import dataclass
from itertools import count

from msgspec.structs import replace

from puna.deltas import (
    Delta,
    DoneDelta,
    ProgressDelta,
    PromptDelta,
    SamplerDelta,
    TokenLogprob,
    Usage,
)
from puna.engine.breakers import Breakers
from puna.engine.constraints import Compiled
from puna.engine.prompts import Prompt
from puna.engine.sequence import Output, Paused, Request
from puna.engine.speculation import Speculation
from puna.engine.transcript import Transcript
from puna.jobs import GenerateJob, Limits
from puna.protocol import Emitted, Resume

_RANKS = {"interactive": 0, "normal": 1, "batch": 2}
# Of so many contexts' length, as in Ollama, is an output that shifts and that nobody else bounds.
MOST_CONTEXTS = 10
# Far enough apart that two jobs whose seeds are neighbours share no choice's draws.
_CHOICE_STRIDE = 0x9E3779B97F4A7C15


@dataclass(slots=True)
class _Times:
    began: float
    seated: float = 0.0
    prompted: float = 0.0


class Answer:
    """One job's output."""

    _serials = count()

    def __init__(
        self,
        job: GenerateJob,
        prompt: Prompt,
        transcripts: list[Transcript],
        resume: Resume | None,
        began: float,
    ) -> None:
        self.job = job
        # Another job may have this one's id while the engine still lets go of this one.
        self.serial = next(self._serials)
        self.seed = _seed(job, resume)
        self._prompt = prompt
        self._transcripts = transcripts
        self._times = _Times(began)
        # What was counted and measured before the job came here.
        self._before_usage = (resume.usage if resume else None) or Usage()
        self._cached = 0
        self._counted = 0
        self._taken_off: dict[int, Emitted] = {}
        self._leaving = False
        self._before = {one.choice: one for one in resume.emitted} if resume else {}
        for one in self._before.values():
            transcripts[one.choice].replay(one.tokens, finished=one.finished)
            self._counted += len(one.tokens)
        self._counted = max(self._counted, self._before_usage.output_tokens)

    def key(self, choice: int) -> str:
        """What the engine knows a choice by."""
        return f"{self.job.id}/{self.serial}/{choice}"

    @property
    def running(self) -> list[int]:
        """The choices that have not ended."""
        return [i for i, transcript in enumerate(self._transcripts) if not transcript.finished]

    def runs(self, choice: int) -> bool:
        """Whether a choice has not ended."""
        return not self._transcripts[choice].finished

    def requests(
        self,
        length: int,
        constraint: Compiled | None,
        adapters: tuple[tuple[int, float], ...] = (),
        *,
        breakers: Breakers | None = None,
        speculate: bool = False,
    ) -> list[Request]:
        """What the engine is asked for: one request for each choice."""
        job = self.job
        requests: list[Request] = []
        for choice in self.running:
            before = self._before.get(choice)
            requests.append(
                Request(
                    key=self.key(choice),
                    tokens=self._prompt.tokens,
                    length=length,
                    seed=(self.seed + choice * _CHOICE_STRIDE) % 2**64,
                    space=job.owner.domain,
                    sampling=job.sampling,
                    breakers=breakers,
                    limits=_limits(job, length),
                    constraint=constraint,
                    logprobs=job.logprobs,
                    prompt_logprobs=job.prompt_logprobs if choice == 0 else None,
                    shift=job.fit.shift,
                    keep=max(job.fit.keep, 0),
                    rank=_RANKS[job.owner.priority],
                    speculation=Speculation(self._prompt.tokens) if speculate else None,
                    after=requests[0].key if requests else "",
                    adapters=adapters,
                    pictures=self._prompt.pictures,
                    emitted=before.tokens if before else (),
                    sampler=before.sampler if before else b"",
                    memory=before.memory if before else b"",
                )
            )
        return requests

    def take(self, choice: int, output: Output) -> list[Delta]:
        """The deltas of what a step brought for one choice."""
        transcript, deltas = self._transcripts[choice], list[Delta]()
        if transcript.finished:
            # What the engine drew before it heard of a stop string is nobody's.
            return deltas
        self._counted += output.count
        if output.progress is not None and choice == 0 and not self._times.prompted:
            deltas.append(ProgressDelta(output.progress, len(self._prompt.tokens)))
        if output.cached is not None and not self._times.prompted:
            self._times.prompted, self._times.seated = time.perf_counter(), output.seated
            self._cached = output.cached
            deltas.append(self._prompt_delta(transcript, output))
        if output.drawn:
            if not self._times.prompted:
                # One that goes on has its prompt computed anew, and nobody is told of that.
                self._times.prompted, self._times.seated = time.perf_counter(), self._times.began
            deltas += transcript.push(output.drawn)
            if output.sampler and not transcript.holds_back:
                deltas.append(SamplerDelta(output.sampler, choice))
        if output.finish is not None and not transcript.finished:
            deltas += transcript.finish(output.finish)
        if transcript.finished and not self.running:
            deltas.append(self.done())
        return deltas

    def take_off(self) -> list[int]:
        """Begin to take the job off the engine; which choices are to be paused."""
        self._leaving = True
        return self.running

    def lay_down(self, choice: int, paused: Paused) -> list[Delta]:
        """The engine has let go of a choice; what of its tokens is still to be told."""
        self._taken_off[choice] = Emitted(
            choice, paused.emitted, self.seed, False, paused.sampler, paused.memory
        )
        untold: list[Delta] = [*self._transcripts[choice].untold()]
        if untold and paused.sampler:
            untold.append(SamplerDelta(paused.sampler, choice))
        return untold

    def resume(self) -> Resume | None:
        """What the job needs to go on elsewhere, once each choice has been let go or has ended."""
        if not self._leaving or not self._taken_off.keys() >= set(self.running):
            return None
        ended = {
            choice: Emitted(choice, tuple(transcript.emitted), self.seed, finished=True)
            for choice, transcript in enumerate(self._transcripts)
            if transcript.finished
        }
        emitted = self._taken_off | ended
        in_order = tuple(emitted[choice] for choice in sorted(emitted))
        return Resume(self._prompt.tokens, in_order, self._usage())

    def _prompt_delta(self, transcript: Transcript, output: Output) -> PromptDelta:
        scores: list[TokenLogprob | None] = [
            transcript.logprob(score) if score is not None else None
            for score in output.prompt_logprobs
        ]
        # What stands for an image is no token, and nothing to anybody else.
        told = self._prompt.tokens if self.job.tell_prompt else ()
        ids = tuple(token for token in told if token >= 0)
        return PromptDelta(len(self._prompt.tokens), output.cached or 0, tuple(scores), ids)

    def done(self) -> DoneDelta:
        """What the job took, now that all its choices have ended."""
        return DoneDelta(self._usage(), self.seed)

    def _usage(self) -> Usage:
        """What the job took up to now, here and before it came here."""
        now, times, before = time.perf_counter(), self._times, self._before_usage
        seated = times.seated or now
        prompted = times.prompted or now
        return Usage(
            prompt_tokens=len(self._prompt.tokens) if times.prompted else before.prompt_tokens,
            # Of a job that goes on, its own tokens are in the cache; that is not what is meant.
            cached_tokens=before.cached_tokens if before.prompt_tokens else self._cached,
            output_tokens=self._counted,
            queue_seconds=before.queue_seconds + seated - times.began,
            prompt_seconds=before.prompt_seconds + prompted - seated,
            output_seconds=before.output_seconds + now - prompted,
            total_seconds=before.total_seconds + now - times.began,
        )


def _limits(job: GenerateJob, length: int) -> Limits:
    """When the output ends: what shifts has no other end in sight where nobody gave it one."""
    if job.limits.max_tokens is not None or not job.fit.shift:
        return job.limits
    return replace(job.limits, max_tokens=MOST_CONTEXTS * length)


def _seed(job: GenerateJob, resume: Resume | None) -> int:
    """The job's seed, or the one that it went by before, or a new one."""
    if job.sampling.seed is not None:
        return job.sampling.seed
    if resume is not None and resume.emitted:
        return resume.emitted[0].seed
    return secrets.randbits(32)
