"""What is told right where it arrives, and what is read instead."""

import asyncio
from collections.abc import Callable

import pytest

from puna.deltas import Delta, DoneDelta, TextDelta, Usage
from puna.jobs import ChatJob, message
from puna.protocol import Cancel, Resume, ToRunner
from puna.runners.stream import Stream

JOB = ChatJob(id="job", model="fake", messages=(message("user", "hi"),))


class Hearing:
    """A stream with a reader and somebody who hears."""

    def __init__(self, takes: Callable[[], bool] = lambda: True) -> None:
        self.heard: list[Delta] = []
        self.read: list[Delta] = []
        self.posted: list[ToRunner] = []
        self.stream = Stream(JOB, self.posted.append, lambda _: None)

        def hear(deltas: list[Delta]) -> bool:
            if taken := takes():
                self.heard += deltas
            return taken

        self.stream.hear = hear
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for batch in self.stream:
            self.read += batch

    def bring(self, *texts: str) -> None:
        """All of these come at once."""
        for text in texts:
            self.stream.push([TextDelta(text)])
        self.stream.tell()


async def settled() -> None:
    """The reader has had its turn."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def texts(deltas: list[Delta]) -> list[str]:
    return [one.text for one in deltas if isinstance(one, TextDelta)]


async def test_what_comes_while_the_reader_waits_is_heard_at_once_and_in_one_piece() -> None:
    job = Hearing()
    await settled()
    job.bring("a", "b")
    assert texts(job.heard) == ["a", "b"]
    job.bring("c")
    job.stream.push([TextDelta("d"), DoneDelta(Usage())])
    job.stream.tell()
    await job.reader
    assert texts(job.heard) == ["a", "b", "c"]
    assert texts(job.read) == ["d"]


async def test_what_comes_before_the_reader_waits_is_read() -> None:
    job = Hearing()
    job.bring("early")
    await settled()
    job.bring("later")
    assert (texts(job.read), texts(job.heard)) == (["early"], ["later"])
    job.reader.cancel()


async def test_what_is_not_taken_is_read_in_its_order() -> None:
    taking = False
    job = Hearing(lambda: taking)
    await settled()
    job.bring("a")
    taking = True
    # The reader has been woken for the first, so the second must not overtake it.
    job.bring("b")
    assert job.heard == []
    await settled()
    assert texts(job.read) == ["a", "b"]
    job.bring("c")
    assert texts(job.heard) == ["c"]
    job.reader.cancel()


async def test_a_job_that_is_taken_off_ends_for_its_reader() -> None:
    job = Hearing()
    await settled()
    job.stream.push([TextDelta("a")])
    job.stream.paused(Resume((), ()))
    job.stream.tell()
    await job.reader
    assert (texts(job.read), job.heard) == (["a"], [])


async def test_a_bug_in_hearing_ends_the_job_and_is_raised_to_the_reader() -> None:
    def stumble() -> bool:
        raise ZeroDivisionError

    job = Hearing(stumble)
    await settled()
    job.bring("a")
    with pytest.raises(ZeroDivisionError):
        await job.reader
    assert job.posted == [Cancel("job")]
