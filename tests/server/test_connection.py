"""What an answer writes in one turn of the loop reaches the connection as one piece."""

import asyncio
from typing import Any, cast

from puna.server.connection import Gathering


class FakeTransport:
    """Notes what reaches it."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, piece: bytes) -> None:
        assert not self.closed
        self.sent.append(piece)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def gathering() -> tuple[FakeTransport, Gathering]:
    transport = FakeTransport()
    return transport, Gathering(cast(Any, transport), asyncio.get_running_loop(), transport.close)


async def test_what_is_written_in_one_turn_goes_out_together() -> None:
    transport, answer = gathering()
    answer.write(b"head,")
    answer.write(b"first")
    assert transport.sent == []
    await asyncio.sleep(0)
    answer.write(b"second")
    await asyncio.sleep(0)
    assert transport.sent == [b"head,first", b"second"]


async def test_what_may_not_wait_comes_behind_what_was_written_before() -> None:
    transport, answer = gathering()
    answer.write(b"1")
    answer.write_now(b"2")
    answer.write_now(b"3")
    await asyncio.sleep(0)
    assert transport.sent == [b"1", b"2", b"3"]


async def test_an_answer_that_hangs_up_has_said_everything() -> None:
    transport, answer = gathering()
    answer.write(b"the end")
    answer.close()
    await asyncio.sleep(0)
    assert (transport.sent, answer.is_closing()) == ([b"the end"], True)


async def test_nothing_is_sent_to_a_client_that_is_gone() -> None:
    transport, answer = gathering()
    answer.write(b"for nobody")
    transport.closed = True
    await asyncio.sleep(0)
    assert transport.sent == []
