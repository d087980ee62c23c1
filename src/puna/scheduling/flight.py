"""A job on its way through the scheduler: what came of it so far, and what it needs to go on."""

import asyncio
import secrets
import time
from collections import defaultdict

from msgspec.structs import replace

from puna.deltas import (
    Delta,
    DoneDelta,
    FinishDelta,
    ProgressDelta,
    PromptDelta,
    SamplerDelta,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    VectorsDelta,
)
from puna.errors import ErrorReport, PunaError, RunnerLost
from puna.jobs import ChatJob, CompleteJob, Job
from puna.protocol import Emitted, Resume
from puna.records import ENDED, JobRecord, Phase
from puna.runners.stream import Stream


def seeded(job: Job) -> Job:
    """The job with a seed, so that it can go on from its tokens wherever it has to."""
    if not isinstance(job, ChatJob | CompleteJob) or job.sampling.seed is not None:
        return job
    return replace(job, sampling=replace(job.sampling, seed=secrets.randbits(32)))


class Flight:
    """One job. The deltas that its reader has got say how it goes on should its runner die."""

    def __init__(self, job: Job, resume: Resume | None) -> None:
        self.job = seeded(job)
        self.phase: Phase = "queued"
        self.error: PunaError | None = None
        self.runner = ""
        self.berth = 0
        self.stream: Stream | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.falls = 0
        self.resumed = 0
        # What it was paused with, until more has come; and its prompt from then on.
        self._paused = resume
        self._known_prompt = resume.prompt if resume else ()
        self._arrived = time.time()
        self._began = time.monotonic()
        self._started: float | None = None
        self._ended: float | None = None
        self._told: defaultdict[int, list[int]] = defaultdict(list)
        # What besides the tokens that were told the sampler of a choice needs to go on.
        self._samplers: dict[int, bytes] = {}
        self._finished: set[int] = set()
        self._ends = 0
        self._prompt = PromptDelta(0, 0)
        self._progress = 0
        self._knows_prompt = False
        self._part = (time.monotonic(), 0.0)
        self._before = (resume.usage if resume else None) or Usage()
        self._loading = 0.0
        self._waiting = 0.0
        self._seat: asyncio.Future[Stream | PunaError] = asyncio.get_running_loop().create_future()
        for one in resume.emitted if resume else ():
            self._told[one.choice] += one.tokens
            self._note_sampler(one.choice, one.sampler)
            if one.finished:
                self._finished.add(one.choice)

    # Seats

    async def seat(self) -> Stream:
        """Wait for a runner: the stream of deltas from it, or the error that ends the job."""
        found = await self._seat
        self._seat = asyncio.get_running_loop().create_future()
        if isinstance(found, PunaError):
            raise found.with_traceback(None)
        return found

    def begin(
        self, berth: int, name: str, stream: Stream | RunnerLost, now: float, loading: float
    ) -> None:
        """The job has got a runner, for whose loading it waited so long, or has just missed it."""
        self._loading += loading
        self._waiting += self.waited(now) - loading
        self._part = (now, 0.0)
        self._started = self._started or time.time()
        self._knows_prompt = bool(self._prompt.tokens)
        self.berth, self.runner = berth, name
        self.stream = stream if isinstance(stream, Stream) else None
        self.phase = "generating" if self._told else "prompt"
        self._seat.set_result(stream)

    def stop(self, error: PunaError) -> None:
        """End the job with an error, whether it has a runner or waits for one."""
        if self.stream is not None:
            self.stream.stop(error)
        if not self._seat.done():
            self._seat.set_result(error)

    def waited(self, now: float) -> float:
        """For how long it has waited for a runner."""
        return now - self._part[0]

    def rise(self, resume: Resume | None) -> None:
        """The job is off its runner, and goes on later from here."""
        self._leave_runner(resume.usage if resume else None)
        if resume is not None:
            self._paused = resume
            self._known_prompt = resume.prompt

    def fall(self) -> None:
        """The job's runner has died."""
        if self.stream is not None:
            self.falls += 1
        self._leave_runner(None)

    def _leave_runner(self, usage: Usage | None) -> None:
        now = time.monotonic()
        self._before = usage or self._usage_up_to(now)
        self._part = (now, 0.0)
        self.runner, self.phase, self.stream = "", "paused", None
        self.resumed += 1

    def _usage_up_to(self, now: float) -> Usage:
        """What was counted and measured here, where the runner could not say it any more."""
        before, (began, prompted) = self._before, self._part
        if not prompted:
            return replace(before, prompt_seconds=before.prompt_seconds + now - began)
        return replace(
            before,
            prompt_tokens=self._prompt.tokens,
            cached_tokens=self._prompt.cached,
            output_tokens=self._output_tokens,
            prompt_seconds=before.prompt_seconds + prompted - began,
            output_seconds=before.output_seconds + now - prompted,
        )

    @property
    def _output_tokens(self) -> int:
        return sum(len(tokens) for tokens in self._told.values()) + self._ends

    @property
    def resume(self) -> Resume | None:
        """What a runner needs to go on with the job; None where nothing has come of it yet."""
        if self._paused is not None:
            return self._paused
        if not self._told and not self._finished:
            return None
        if not isinstance(self.job, ChatJob | CompleteJob):
            return None
        seed = self.job.sampling.seed or 0
        emitted = tuple(
            Emitted(
                choice,
                tuple(self._told.get(choice, ())),
                seed,
                choice in self._finished,
                self._samplers.get(choice, b""),
            )
            for choice in range(self.job.choices)
        )
        return Resume(self._known_prompt, emitted, self._before)

    @property
    def has_begun(self) -> bool:
        """Whether it has ever had a runner."""
        return self._started is not None

    # Deltas

    def note(self, batch: list[Delta]) -> int:
        """Take note of what has come; how many tokens were worked for it."""
        work = 0
        for delta in batch:
            match delta:
                case TextDelta() | ThinkingDelta() | ToolCallDelta():
                    if delta.tokens:
                        self._told[delta.choice] += delta.tokens
                        work += len(delta.tokens)
                        self._note_tokens()
                case SamplerDelta():
                    self._note_sampler(delta.choice, delta.state)
                case PromptDelta():
                    work += self._note_prompt(delta)
                case ProgressDelta():
                    self._progress = max(self._progress, delta.done)
                case FinishDelta():
                    self._finished.add(delta.choice)
                    # A token that ended the choice was counted, though it is not told.
                    if delta.reason != "length" and not isinstance(delta.stop, str):
                        self._ends += 1
                case VectorsDelta():
                    work += sum(delta.tokens)
                case DoneDelta():
                    pass
        return work

    def _note_tokens(self) -> None:
        """The job gets on: what it was paused with is no longer where it is."""
        self.falls = 0
        self._paused = None
        if not self._part[1]:
            self._part = (self._part[0], time.monotonic())

    def _note_sampler(self, choice: int, state: bytes) -> None:
        if state:
            self._samplers[choice] = state

    def _note_prompt(self, delta: PromptDelta) -> int:
        """The prompt is worked through; what of it counts as work, which a second time does not."""
        self._part = (self._part[0], time.monotonic())
        self.phase = "generating"
        if self._prompt.tokens:
            return 0
        self._prompt = delta
        return max(0, delta.tokens - delta.cached)

    def news(self, batch: list[Delta]) -> list[Delta]:
        """The batch without what its reader knows from before a resume, and what is not for it."""
        if self._samplers:
            batch = [one for one in batch if not isinstance(one, SamplerDelta)]
        if self._knows_prompt:
            batch = [one for one in batch if not isinstance(one, PromptDelta | ProgressDelta)]
        if batch and isinstance(done := batch[-1], DoneDelta):
            usage = replace(
                done.usage,
                queue_seconds=done.usage.queue_seconds + self._waiting,
                load_seconds=self._loading,
                total_seconds=time.monotonic() - self._began,
            )
            batch[-1] = replace(done, usage=usage)
            self._before = usage
        return batch

    # The record

    def end(self, phase: Phase, error: PunaError | None = None) -> None:
        """The job has ended."""
        self.phase, self.error = phase, error
        self._ended = time.time()

    def record(self, position: int | None, *, loading: bool = False) -> JobRecord:
        """The job as it stands."""
        now = time.monotonic()
        phase: Phase = "loading" if loading and self.phase == "queued" else self.phase
        usage = self._before if phase in ENDED or phase == "paused" else self._usage_up_to(now)
        output = self._before.output_tokens if phase == "done" else self._output_tokens
        report: ErrorReport | None = self.error.report() if self.error else None
        done = self._prompt.tokens or self._progress
        return JobRecord(
            id=self.job.id,
            principal=self.job.owner.principal,
            model=self.job.model,
            dialect=self.job.dialect,
            kind=str(type(self.job).__struct_config__.tag),
            priority=self.job.owner.priority,
            phase=phase,
            arrived=self._arrived,
            position=position,
            started=self._started,
            ended=self._ended,
            runner=self.runner,
            prompt_tokens=self._prompt.tokens,
            prompt_done=done,
            cached_tokens=self._prompt.cached,
            output_tokens=output,
            prompt_rate=_rate(done - self._prompt.cached, usage.prompt_seconds),
            output_rate=_rate(output, usage.output_seconds),
            queue_seconds=self._waiting,
            load_seconds=self._loading,
            total_seconds=(self._ended or time.time()) - self._arrived,
            resumed=self.resumed,
            error=report,
        )


def _rate(tokens: int, seconds: float) -> float:
    return max(0, tokens) / seconds if seconds > 0 else 0.0
