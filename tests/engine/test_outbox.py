"""What a runner says arrives whole and in order, whoever says it and however slowly it is read."""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from puna.engine.outbox import Outbox
from puna.protocol import Beat, Busyness, LogLine, read_to_server

# Far more than a socket takes before it is read.
LONG = "x" * (4 << 20)


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection, neither of which waits."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


async def heard(end: socket.socket) -> list[str]:
    """All lines that come until the other side hangs up."""
    reader, writer = await asyncio.open_unix_connection(sock=end)
    lines: list[str] = []
    async with asyncio.timeout(60):
        while (message := await read_to_server(reader)) is not None:
            assert isinstance(message, LogLine)
            lines.append(message.line)
    writer.close()
    return lines


async def test_who_is_not_read_does_not_wait_and_loses_nothing() -> None:
    said = ["first", LONG, "third", LONG + "!", "last"]
    with pair() as (ours, theirs):
        outbox = Outbox(ours)
        with ThreadPoolExecutor(1) as engine:
            for line in said:
                # On another thread, before anything is read: it comes back all the same.
                engine.submit(outbox.send, LogLine("info", line)).result(60)
        hearing = asyncio.create_task(heard(theirs))
        await outbox.close()
        assert await hearing == said


async def test_messages_of_several_threads_are_never_mixed() -> None:
    def say(outbox: Outbox, who: int) -> None:
        for number in range(400):
            outbox.send(LogLine("info", f"{who} {number} {'x' * (number * 7 % 5000)}"))

    with pair() as (ours, theirs):
        outbox = Outbox(ours)
        hearing = asyncio.create_task(heard(theirs))
        await asyncio.gather(*(asyncio.to_thread(say, outbox, who) for who in range(4)))
        await outbox.close()
        lines = [line.split() for line in await hearing]
    for who in range(4):
        assert [line[1] for line in lines if line[0] == f"{who}"] == [f"{n}" for n in range(400)]


async def test_what_the_loop_sends_later_goes_out_by_itself() -> None:
    with pair() as (ours, theirs):
        outbox = Outbox(ours)
        await asyncio.to_thread(outbox.send, LogLine("info", LONG))
        reader, writer = await asyncio.open_unix_connection(sock=theirs)
        async with asyncio.timeout(60):
            assert await read_to_server(reader) == LogLine("info", LONG)
            outbox.send(Beat(Busyness(steps=7)))
            assert await read_to_server(reader) == Beat(Busyness(steps=7))
        await outbox.close()
        writer.close()


async def test_to_a_server_that_is_gone_everything_goes_nowhere() -> None:
    with pair() as (ours, theirs):
        outbox = Outbox(ours)
        outbox.send(LogLine("info", LONG))
        theirs.close()
        for _ in range(3):
            outbox.send(LogLine("info", LONG))
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await outbox.close()
        outbox.send(LogLine("info", "after the end"))
