"""Answers that are made while they are sent, without a server around them."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from puna.dialects.answer import STRAIGHT, Hear, StreamedAnswer
from puna.errors import ErrorReport, RunnerLost


class Words:
    """Renders news as they are; none is nothing yet."""

    media_type = "text/plain"

    def render(self, news: str, /) -> bytes:
        return news.encode()

    def error(self, report: ErrorReport) -> bytes:
        return b"error"

    def status(self, report: ErrorReport) -> int:
        return 500


class Way:
    """A way past all layers that writes down what went it."""

    def __init__(self, body: list[bytes]) -> None:
        self.is_behind = False
        self.written: list[bytes] = []
        self._body = body

    def write(self, piece: bytes) -> None:
        self.written.append(piece)
        self._body.append(piece)


class Source:
    """News that are told where they arise if they are taken, and else are read."""

    def __init__(self) -> None:
        self._news: asyncio.Queue[str | Exception] = asyncio.Queue()

    async def __call__(self, hear: Hear[str]) -> AsyncGenerator[str]:
        self._hear = hear
        while (news := await self._news.get()) != "end":
            if isinstance(news, Exception):
                raise news
            yield news

    async def tell(self, news: str | Exception) -> bool:
        """Whether it was taken."""
        if isinstance(news, str) and news != "end" and self._hear(news):
            return True
        self._news.put_nowait(news)
        for _ in range(5):
            await asyncio.sleep(0)
        return False


class Asked:
    """An answer that is being given."""

    def __init__(self, **extensions: Any) -> None:
        self.source = Source()
        self.statuses: list[int] = []
        self.body: list[bytes] = []
        self.way = Way(self.body)
        scope: dict[str, Any] = {"type": "http"}
        scope["extensions"] = {STRAIGHT: {"way": self.way}} if extensions.get("way", True) else {}
        answer = StreamedAnswer(self.source, Words())
        self.task = asyncio.create_task(answer(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])
        else:
            self.body.append(message["body"])


async def asked(**extensions: Any) -> Asked:
    one = Asked(**extensions)
    for _ in range(5):
        await asyncio.sleep(0)
    return one


async def test_nothing_goes_straight_before_the_answer_has_begun() -> None:
    one = await asked()
    assert not await one.source.tell("first ")
    assert await one.source.tell("second ")
    await one.source.tell("end")
    await one.task
    assert one.statuses == [200]
    assert one.way.written == [b"second "]
    assert b"".join(one.body) == b"first second "


async def test_to_a_client_that_is_behind_nothing_goes_straight() -> None:
    one = await asked()
    await one.source.tell("a")
    one.way.is_behind = True
    assert not await one.source.tell("b")
    one.way.is_behind = False
    assert await one.source.tell("c")
    await one.source.tell("end")
    await one.task
    assert b"".join(one.body) == b"abc"
    assert one.way.written == [b"c"]


async def test_a_server_without_such_a_way_gets_every_piece_by_its_own() -> None:
    one = await asked(way=False)
    assert not await one.source.tell("a")
    assert not await one.source.tell("b")
    await one.source.tell("end")
    await one.task
    assert b"".join(one.body) == b"ab"


async def test_an_error_in_the_midst_follows_what_went_straight() -> None:
    one = await asked()
    await one.source.tell("a")
    await one.source.tell("b")
    await one.source.tell(RunnerLost("gone"))
    await one.task
    assert b"".join(one.body) == b"aberror"
