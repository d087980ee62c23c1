"""The deltas of one job on their way from a runner to whoever asked.

They are buffered here, bounded: a job whose reader falls behind is taken off its runner, as one
that is paused for others is. The stream then ends with what is needed to go on.
"""

import asyncio
from collections.abc import Callable

from puna.deltas import Delta, DoneDelta
from puna.errors import RunnerLost
from puna.jobs import Job
from puna.protocol import Cancel, Pause, Resume, ToRunner

# So many unread deltas pause a job; so many, should the runner not heed it, end it.
PAUSE_AT = 1024
END_AT = 8 * PAUSE_AT


class Stream:
    """An asynchronous iterator over batches: each is all that has come since the last.

    When it ends without a `DoneDelta`, the job was taken off, and `resume` says how it goes on.
    `left` is called once, when the job is off its runner, whatever is unread yet.

    While the reader waits, what comes is offered to `hear` first, right where it arrives, which
    saves waking the reader's task. What that does not take is read, and so is the end.
    """

    def __init__(
        self,
        job: Job,
        post: Callable[[ToRunner], None],
        left: Callable[[str], None],
        pause_at: int = PAUSE_AT,
    ) -> None:
        self.resume: Resume | None = None
        self.hear: Callable[[list[Delta]], bool] | None = None
        self._job = job
        self._post = post
        self._left = left
        self._pause_at = pause_at
        self._unread: list[Delta] = []
        self._reader: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._pausing = False
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def push(self, deltas: list[Delta]) -> None:
        """Take what a step brought. Once there is no more to take at the moment, `tell` of it."""
        if self._end.done():
            return
        self._unread = self._unread + deltas if self._unread else deltas
        if deltas and isinstance(deltas[-1], DoneDelta):
            self._leave()
        elif len(self._unread) > END_AT:
            self.stop(RunnerLost("The answer came faster than it was read, and did not stop."))
        elif len(self._unread) > self._pause_at:
            self.lay_down()

    def tell(self) -> None:
        """Give what has come to who hears, or else to who reads."""
        if not self._unread:
            return
        try:
            heard = self._is_awaited and self.hear is not None and self.hear(self._unread)
        except Exception as error:  # noqa: BLE001 - the reader raises it, and not the runner's wire
            self.stop(error)
            return
        if heard:
            self._unread = []
        else:
            self._wake()

    def lay_down(self, memory: bool = False) -> None:
        """Take the job off its runner, which ends the stream; once is enough."""
        if not self._pausing and not self._end.done():
            self._pausing = True
            self._post(Pause(self._job.id, memory))

    async def take_off(self, memory: bool = False) -> Resume | None:
        """Take the job off its runner: what it needs to go on elsewhere, None if it has ended."""
        self.lay_down(memory)
        await asyncio.shield(self._end)
        return self.resume

    def paused(self, resume: Resume | None) -> None:
        """The runner has laid the job down; without a resume it had just ended."""
        if resume is not None and not self._end.done():
            self.resume = resume
            self._leave()
            self._wake()

    def fail(self, error: Exception) -> None:
        """End with an error, which the reader meets after what has come before it."""
        if not self._end.done():
            self._error = error
            self._leave()
            self._wake()

    def stop(self, error: Exception) -> None:
        """End the job at its runner, and the stream with an error."""
        if not self._end.done():
            self._post(Cancel(self._job.id))
            self.fail(error)

    def close(self) -> None:
        """Nobody reads any more: the runner need not go on."""
        if not self._end.done():
            self._post(Cancel(self._job.id))
            self._leave()
            self._wake()

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> list[Delta]:
        while not self._unread:
            if self._error is not None:
                raise self._error
            if self._end.done():
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        batch, self._unread = self._unread, []
        return batch

    @property
    def _is_awaited(self) -> bool:
        """Whether the reader waits for something that is not the end."""
        reader = self._reader
        return reader is not None and not (reader.done() or self._end.done())

    def _leave(self) -> None:
        self._end.set_result(None)
        self._left(self._job.id)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
