"""One loaded model in its own process, as the server sees it: its states and what it is asked.

The process itself is in `process.py`, the socket in `wire.py`, a job's deltas in `stream.py`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import assert_never
from uuid import uuid4

from puna.errors import (
    BadRequest,
    EngineFailed,
    LoadFailed,
    LoadLost,
    PunaError,
    ReportedError,
    RunnerLost,
)
from puna.events import Event, LibraryLogged, RunnerMoved
from puna.jobs import Job
from puna.protocol import (
    TRANSITIONS,
    Beat,
    Busyness,
    Detokenize,
    Facts,
    Frame,
    JobFailed,
    Load,
    LogLine,
    Moved,
    Paused,
    Resume,
    State,
    Submit,
    Tokenize,
    Tokens,
    ToServer,
    Unload,
)
from puna.runners.process import RunnerProcess
from puna.runners.questions import ANSWER_SECONDS, Questions
from puna.runners.stream import Stream
from puna.runners.wire import Doorstep, Wire

COMMAND = ("-m", "puna.engine")
CALL_SECONDS = 60.0
LEAVE_SECONDS = 5.0
# So long what is on its way from a runner's process, or of its end, may still be.
LAST_SECONDS = 1.0
# Whoever waits looks up so often, and does not count the time that it was held up itself.
LOOK_SECONDS = 1.0
# So many characters of its log go into the errors of a runner that has ended.
NOTE_LENGTH = 2000


class Runner:
    """A handle to one runner. Who has started it owns it, and ends it by `unload` or `kill`."""

    def __init__(self, name: str, process: RunnerProcess, emit: Callable[[Event], None]) -> None:
        self.name = name
        self.state: State = "idle"
        self.facts: Facts | None = None
        self.busyness = Busyness()
        self.heard = 0
        self.exit_reason = ""
        self._process = process
        self._emit = emit
        self._wire = Wire(self._receive, self._tell, self._break_off)
        self._streams: dict[str, Stream] = {}
        self._untold: list[Stream] = []
        self._questions = Questions(name, self._wire.post)
        self._loaded: asyncio.Future[Facts] | None = None
        self._life: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        emit: Callable[[Event], None],
        command: Sequence[str] = COMMAND,
        environment: Mapping[str, str] | None = None,
    ) -> "Runner":
        """Start a runner that has nothing loaded yet."""
        doorstep = Doorstep()
        try:
            process = await RunnerProcess.start(
                (*command, "--socket", str(doorstep.path)), environment or {}
            )
            runner = cls(f"runner-{uuid4().hex[:8]}", process, emit)
            try:
                await runner._await_call(doorstep)
                runner._life = asyncio.create_task(runner._live())
            except BaseException:
                await runner.kill()
                raise
            return runner
        finally:
            doorstep.close()

    async def _await_call(self, doorstep: Doorstep) -> None:
        call = asyncio.create_task(doorstep.wait(self._wire))
        end = asyncio.create_task(self._process.ended())
        try:
            for _ in range(round(CALL_SECONDS / LOOK_SECONDS)):
                done, _ = await asyncio.wait(
                    {call, end}, timeout=LOOK_SECONDS, return_when="FIRST_COMPLETED"
                )
                if done:
                    break
            if end.done():
                self.exit_reason = end.result()
                raise LoadLost(self.last_words)
            if not call.done():
                raise LoadFailed(f"The runner did not start in {CALL_SECONDS:g} s.")
            call.result()
        finally:
            call.cancel()
            end.cancel()
            await asyncio.wait({call, end})

    @property
    def last_words(self) -> str:
        """Why it ended, with the end of what the process wrote."""
        tail = str(self._process.log)[-NOTE_LENGTH:]
        note = f" The end of its log: {tail}" if tail else ""
        return f"{self.name} {self.exit_reason}.{note}"

    @property
    def alive(self) -> bool:
        """Whether jobs may still come of it."""
        return self.state != "failed" and self._process.alive

    async def load(self, load: Load, seconds: float = 300.0) -> Facts:
        """Load a model; afterwards the runner is ready."""
        self._loaded = asyncio.get_running_loop().create_future()
        self._wire.post(load)
        try:
            async with asyncio.timeout(seconds):
                return await self._loaded
        except TimeoutError:
            raise LoadFailed(
                f"The model was not loaded in {seconds:g} s.", "Raise PUNA_LOAD_TIMEOUT."
            ) from None
        except RunnerLost as error:
            raise LoadLost(error.message) from None

    def submit(
        self,
        job: Job,
        resume: Resume | None = None,
        left: Callable[[str], None] = lambda _: None,
    ) -> Stream:
        """Run a job, or go on with it. Close the stream when it is no longer read.

        `left` is called with the job's id once it is off this runner.
        """
        if self.state not in ("ready", "busy"):
            raise RunnerLost(f"{self.name} is {self.state} and takes no jobs.")
        if job.id in self._streams:
            raise BadRequest(f"A job with the id {job.id} is running already.")

        def forget(id: str) -> None:
            self._streams.pop(id, None)
            left(id)

        stream = Stream(job, self._wire.post, forget)
        self._streams[job.id] = stream
        self._wire.post(Submit(job, resume))
        return stream

    async def pause(self, job: str, memory: bool = False) -> Resume | None:
        """Take a job off: what it needs to go on elsewhere, or None if it has ended."""
        stream = self._streams.get(job)
        if stream is None:
            return None
        async with asyncio.timeout(ANSWER_SECONDS):
            return await stream.take_off(memory)

    async def tokenize(
        self, text: str = "", job: Job | None = None, special: bool = False
    ) -> Tokens:
        """The tokens of a text, or of a job as it would be rendered."""
        return await self._ask(lambda id: Tokenize(id, text, job, special))

    async def detokenize(self, tokens: Sequence[int]) -> Tokens:
        """The text of tokens."""
        return await self._ask(lambda id: Detokenize(id, tuple(tokens)))

    async def unload(self) -> None:
        """Let the runner free everything and leave; if it does not, end it."""
        self._wire.post(Unload())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._process.ended()
        await self.kill()

    async def kill(self) -> None:
        """End the process now, with its jobs."""
        await self._process.kill()
        if self._life is not None:
            # Others wait for it too: who is told to stop waiting must not end it for them.
            await asyncio.shield(self._life)

    async def over(self) -> str:
        """Wait for the end of the runner, however it comes; the answer is the reason."""
        assert self._life is not None
        await asyncio.shield(self._life)
        return self.exit_reason

    def give_up(self, reason: str) -> None:
        """End a runner that makes no progress; its jobs hear of it."""
        self._break_off(reason)

    async def _ask(self, question: Callable[[str], Tokenize | Detokenize]) -> Tokens:
        if not self.alive:
            raise RunnerLost(f"{self.name} {self.exit_reason or 'has ended'}.")
        return await self._questions.ask(question)

    def _receive(self, message: ToServer) -> None:
        self.heard += 1
        match message:
            case Frame():
                if message.load is not None:
                    self.busyness = message.load
                for id, deltas in message.deltas:
                    if (stream := self._streams.get(id)) is not None:
                        stream.push(deltas)
                        self._untold.append(stream)
            case Moved():
                self._move(message)
            case JobFailed():
                if (stream := self._streams.get(message.job)) is not None:
                    stream.fail(ReportedError(message.error))
            case Paused():
                if (stream := self._streams.get(message.job)) is not None:
                    stream.paused(message.resume)
            case Tokens():
                self._questions.answer(message)
            case LogLine():
                self._emit(LibraryLogged(message.level, message.line))
            case Beat():
                self.busyness = message.load
            case _:
                assert_never(message)

    def _tell(self) -> None:
        for stream in self._untold:
            stream.tell()
        self._untold.clear()

    def _move(self, message: Moved) -> None:
        if message.state == self.state:
            return
        if message.state not in TRANSITIONS[self.state]:
            self._break_off(f"went from {self.state} to {message.state}, which cannot be")
            return
        self._enter(message.state, message.detail)
        if message.facts is not None:
            self.facts = message.facts
            if self._loaded is not None and not self._loaded.done():
                self._loaded.set_result(message.facts)
        if message.state == "failed":
            error = message.error or EngineFailed(message.detail or "The runner failed.").report()
            if self._loaded is not None and not self._loaded.done():
                self._loaded.set_exception(ReportedError(error))
            self._break_off(f"failed: {error}")

    def _enter(self, state: State, detail: str = "") -> None:
        before, self.state = self.state, state
        self._emit(RunnerMoved(self.name, before, state, detail))

    def _break_off(self, reason: str) -> None:
        """End a runner that broke the rules; the first reason is the one that is told."""
        self.exit_reason = self.exit_reason or reason
        self._wire.close()

    async def _live(self) -> None:
        """Follow the runner to its end, and tell everybody who waits for it."""
        end = asyncio.create_task(self._process.ended())
        await asyncio.wait({end, self._wire.closed}, return_when="FIRST_COMPLETED")
        # One brings the other: the last deltas are in the socket, the reason is with the process.
        # Who was told to leave, and hangs up, is about to.
        leaves = self.state in ("unloading", "idle") and not self.exit_reason
        last = LEAVE_SECONDS if leaves else LAST_SECONDS
        await asyncio.wait({end, self._wire.closed}, return_when="ALL_COMPLETED", timeout=last)
        await self._process.kill()
        self._wire.close()
        self.exit_reason = self.exit_reason or await end
        if self.state not in ("failed", "idle"):
            self._enter("failed", self.exit_reason)
        self._fail_all(RunnerLost(self.last_words))

    def _fail_all(self, error: PunaError) -> None:
        for stream in list(self._streams.values()):
            stream.fail(error)
        self._questions.fail(error)
        if self._loaded is not None and not self._loaded.done():
            self._loaded.set_exception(error)
