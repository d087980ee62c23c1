"""The deltas of one job on their way from a runner to whoever asked.

They are buffered here, bounded: a job whose reader falls behind is paused at its runner and goes
on when the reader has caught up, and nobody else waits for it.
"""

import asyncio
from collections.abc import Callable

from puna.errors import PunaError, RunnerLost
from puna.jobs import Delta, DoneDelta, Job, ProgressDelta, PromptDelta
from puna.protocol import Cancel, Pause, Resume, Submit, ToRunner

# So many unread deltas pause a job; so many, should the runner not heed it, end it.
PAUSE_AT = 1024
END_AT = 8 * PAUSE_AT


class Stream:
    """An asynchronous iterator over batches: each is all that has come since the last."""

    def __init__(
        self,
        job: Job,
        post: Callable[[ToRunner], None],
        forget: Callable[[str], None],
        pause_at: int = PAUSE_AT,
    ) -> None:
        self._job = job
        self._post = post
        self._forget = forget
        self._pause_at = pause_at
        self._unread: list[Delta] = []
        self._reader: asyncio.Future[None] | None = None
        self._error: PunaError | None = None
        self._ended = False
        self._pausing = False
        self._resume: Resume | None = None
        self._resumed = False
        self._taker: asyncio.Future[Resume | None] | None = None

    def push(self, deltas: list[Delta]) -> None:
        """Take what a step brought."""
        if self._ended:
            return
        if self._resumed:
            # The reader has heard of its prompt already.
            deltas = [one for one in deltas if not isinstance(one, PromptDelta | ProgressDelta)]
        self._unread += deltas
        if deltas and isinstance(deltas[-1], DoneDelta):
            self._end()
        elif len(self._unread) > END_AT:
            self._post(Cancel(self._job.id))
            self.fail(RunnerLost("The answer came faster than it was read, and did not stop."))
        elif len(self._unread) > self._pause_at and not self._pausing:
            self._pausing = True
            self._post(Pause(self._job.id))
        self._wake()

    def paused(self, resume: Resume | None) -> None:
        """The runner has laid the job down; without a resume it had just ended."""
        self._resume = resume
        if self._taker is not None:
            self._hand_over(self._taker)
        elif not self._unread:
            self._go_on()

    async def take_off(self, memory: bool = False) -> Resume | None:
        """Take the job off its runner: what it needs to go on elsewhere, None if it has ended."""
        if self._ended:
            return None
        self._taker = asyncio.get_running_loop().create_future()
        if self._resume is not None:
            self._hand_over(self._taker)
        elif not self._pausing:
            self._pausing = True
            self._post(Pause(self._job.id, memory))
        return await self._taker

    def fail(self, error: PunaError) -> None:
        """End with an error, which the reader meets after what has come before it."""
        if not self._ended:
            self._error = error
            self._end()
            self._wake()

    def close(self) -> None:
        """Nobody reads any more: the runner need not go on."""
        if not self._ended:
            self._post(Cancel(self._job.id))
            self._end()
            self._wake()

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> list[Delta]:
        while not self._unread:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        batch, self._unread = self._unread, []
        if self._resume is not None:
            self._go_on()
        return batch

    def _go_on(self) -> None:
        self._pausing = False
        if self._resume is not None and not self._ended:
            self._resumed = True
            self._post(Submit(self._job, self._resume))
        self._resume = None

    def _hand_over(self, taker: asyncio.Future[Resume | None]) -> None:
        if not taker.done():
            taker.set_result(self._resume)
        if self._resume is not None:
            self._resume = None
            self._end()
            self._wake()

    def _end(self) -> None:
        self._ended = True
        self._forget(self._job.id)
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
