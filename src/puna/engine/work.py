"""The jobs of a runner: prepared, put to the engine, and what comes of them sent as frames.

Jobs come and go on the asyncio loop; what blocks (rendering, compiling) runs in a thread. What a
step brings is told on the engine's own thread, before the next step: that wakes nobody, and who
has met a stop string takes no part in that step.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from puna.deltas import Delta
from puna.engine.answer import Answer
from puna.engine.embedding import answer as embedded
from puna.engine.frames import Frames
from puna.engine.loaded import Loaded
from puna.engine.preparing import prepared, prompt_of
from puna.engine.sequence import Output
from puna.errors import BadRequest, EngineFailed, PunaError
from puna.jobs import ChatJob, CompleteJob, EmbedJob, GenerateJob, RerankJob
from puna.protocol import (
    Cancel,
    Detokenize,
    Frame,
    JobFailed,
    Pause,
    Paused,
    Resume,
    Submit,
    Tokenize,
    Tokens,
    ToServer,
)
from puna.text.stream import TextStream

Result = TypeVar("Result")


class Work:
    """All jobs that the server has put to this runner and that have not ended.

    `send` and `settle` are called from any thread.
    """

    def __init__(
        self, loaded: Loaded, send: Callable[[ToServer], None], settle: Callable[[], None]
    ) -> None:
        self._loaded = loaded
        self._send = send
        self._settle = settle
        # Held by whoever looks at the answers or at one of them: the loop, or the engine's thread.
        self._lock = Lock()
        self._answers: dict[str, Answer] = {}
        self._preparing: dict[str, tuple[Submit, asyncio.Task[None]]] = {}
        self._frames = Frames(self._send_frame, loaded.gathers)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="prompts")

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._answers or self._preparing)

    def close(self) -> None:
        """Let go of all jobs."""
        for _, task in self._preparing.values():
            task.cancel()
        self._threads.shutdown(cancel_futures=True)

    def submit(self, submit: Submit, tasks: asyncio.TaskGroup) -> None:
        """Run a job."""
        job = submit.job.id
        if job in self._answers or job in self._preparing:
            error = BadRequest(f"A job with the id {job} is running already.")
            self._send(JobFailed(job, error.report()))
            return
        task = tasks.create_task(self._prepare(submit, time.perf_counter()))
        self._preparing[job] = (submit, task)
        self._settle()

    def cancel(self, cancel: Cancel) -> None:
        """Let go of a job that nobody waits for."""
        self._stop_preparing(cancel.job)
        with self._lock:
            if (answer := self._answers.get(cancel.job)) is not None:
                self._end(answer)
                self._frames.drop(cancel.job)
        self._settle()

    def pause(self, pause: Pause) -> None:
        """Take a job off; the answer is sent once the engine has let go of all of it."""
        with self._lock:
            if (answer := self._answers.get(pause.job)) is not None:
                for choice in answer.take_off():
                    self._loaded.engine.pause(answer.key(choice), memory=pause.memory)
                return
        # One that is still being prepared goes on from where it came in.
        submit = self._stop_preparing(pause.job)
        resume = None if submit is None else submit.resume or Resume((), ())
        self._send(Paused(pause.job, resume))
        self._settle()

    async def tokenize(self, asked: Tokenize) -> None:
        """Answer with the tokens of a text, or with a job's prompt."""
        try:
            if asked.job is None:
                tokens = await self._in_thread(
                    lambda: self._loaded.prompts.tokens(asked.text, special=asked.special)
                )
                self._send(self._tokens(asked.id, asked.text, tuple(tokens)))
            elif isinstance(asked.job, ChatJob | CompleteJob):
                job = asked.job
                prompt = await self._in_thread(lambda: prompt_of(self._loaded, job))
                self._send(self._tokens(asked.id, prompt.text, prompt.tokens))
            else:
                raise BadRequest("Only prompts of chats and completions can be shown.")
        except PunaError as error:
            self._send(Tokens(asked.id, "", (), error=error.report()))

    async def detokenize(self, asked: Detokenize) -> None:
        """Answer with the text of tokens."""
        vocabulary = self._loaded.model.vocabulary
        if any(not 0 <= token < vocabulary.size for token in asked.tokens):
            error = BadRequest(f"The model's tokens are from 0 to {vocabulary.size - 1}.")
            self._send(Tokens(asked.id, "", (), error=error.report()))
            return
        stream = TextStream(vocabulary)
        text = stream.push(asked.tokens) + stream.finish()
        self._send(self._tokens(asked.id, text, asked.tokens))

    def _tokens(self, id: str, text: str, tokens: tuple[int, ...]) -> Tokens:
        piece = self._loaded.model.vocabulary.piece
        return Tokens(
            id, text, tokens, tuple(piece(token) if token >= 0 else b"" for token in tokens)
        )

    # Preparing

    def _stop_preparing(self, job: str) -> Submit | None:
        """Let go of a job that is being prepared; its task may not even have begun."""
        submit, task = self._preparing.pop(job, (None, None))
        if task is not None:
            task.cancel()
        return submit

    async def _prepare(self, submit: Submit, began: float) -> None:
        job = submit.job
        try:
            match job:
                case ChatJob() | CompleteJob():
                    await self._generate(job, submit, began)
                case EmbedJob() | RerankJob():
                    await self._embed(job, began)
        except PunaError as error:
            self._send(JobFailed(job.id, error.report()))
        except Exception as error:  # noqa: BLE001 - the other jobs must not end with this one
            failure = EngineFailed(f"The job could not be prepared: {error!r}.")
            self._send(JobFailed(job.id, failure.report()))
        # A task that was cancelled does not come here; its place may be another's by then.
        del self._preparing[job.id]
        self._settle()

    async def _generate(self, job: GenerateJob, submit: Submit, began: float) -> None:
        engine = self._loaded.engine
        engine.orders.announce()
        try:
            answer, requests = await self._in_thread(
                lambda: prepared(self._loaded, submit, job, began)
            )
            if not requests:
                self._send(Frame([(job.id, [answer.done()])], self._loaded.busyness))
                return
            with self._lock:
                self._answers[job.id] = answer
            for request in requests:
                engine.submit(request)
        finally:
            engine.orders.arrived()

    async def _embed(self, job: EmbedJob | RerankJob, began: float) -> None:
        embedding = self._loaded.embedding
        inputs = await self._in_thread(lambda: embedding.inputs(job))
        seated = time.perf_counter()
        # A cancel of the task goes through to the embedding by the future.
        vectors = await asyncio.wrap_future(embedding.submit(inputs))
        deltas = await self._in_thread(lambda: embedded(job, inputs, vectors, began, seated))
        self._send(Frame([(job.id, deltas)], self._loaded.busyness))

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    # What the engine brings, on its thread

    def take(self, outputs: list[Output]) -> None:
        """Send what a step brought, as one frame."""
        with self._lock:
            self._tell(outputs)
            rests = not self._answers
        if rests:
            self._settle()

    def ahead(self, seconds: float) -> None:
        """Until a step brings more it will be so long."""
        with self._lock:
            self._frames.ahead(seconds)

    def _tell(self, outputs: list[Output]) -> None:
        endings: list[ToServer] = []
        for output in outputs:
            job, serial, choice = output.key.rsplit("/", 2)
            answer = self._answers.get(job)
            if answer is None or answer.serial != int(serial):
                continue
            try:
                endings += self._take(answer, int(choice), output)
            except Exception as error:  # noqa: BLE001 - the other jobs must not end with this one
                failure = EngineFailed(f"The answer could not be told: {error!r}.")
                self._end(answer)
                endings.append(JobFailed(job, failure.report()))
        if endings:
            self._frames.send()
        else:
            self._frames.step()
        for ending in endings:
            self._send(ending)

    def _send_frame(self, deltas: list[tuple[str, list[Delta]]]) -> None:
        """Send this as one frame; what of it cannot be packed fails its own job alone."""
        try:
            self._send(Frame(deltas, self._loaded.busyness))
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine must go on
            if len(deltas) > 1:
                for one in deltas:
                    self._send_frame([one])
                return
            ((job, _),) = deltas
            if (answer := self._answers.get(job)) is not None:
                self._end(answer)
            failure = EngineFailed(f"The answer could not be told: {error!r}.")
            self._send(JobFailed(job, failure.report()))

    def _take(self, answer: Answer, choice: int, output: Output) -> list[ToServer]:
        """Tell an output's deltas; what is to be said after them comes back."""
        job = answer.job.id
        if output.error is not None:
            self._end(answer)
            return [JobFailed(job, output.error)]
        if output.paused is not None:
            self._frames.add(job, answer.lay_down(choice, output.paused))
            return self._handed_back(answer)
        ran = answer.runs(choice)
        self._frames.add(job, answer.take(choice, output))
        if answer.runs(choice):
            return self._handed_back(answer)
        if ran and output.finish is None:
            # A stop string, which the engine knows nothing of.
            self._loaded.engine.cancel(answer.key(choice))
        if answer.running:
            return self._handed_back(answer)
        self._answers.pop(job, None)
        return []

    def _handed_back(self, answer: Answer) -> list[ToServer]:
        """A job that is being taken off, once the engine has let go of all of it."""
        if (resume := answer.resume()) is None:
            return []
        del self._answers[answer.job.id]
        return [Paused(answer.job.id, resume)]

    def _end(self, answer: Answer) -> None:
        self._answers.pop(answer.job.id, None)
        for choice in answer.running:
            self._loaded.engine.cancel(answer.key(choice))
