"""Answers made piece by piece, over ASGI as it is: whatever is ready goes out at once.

The pieces are a job's deltas, or the news of something else that takes time. A client that leaves
ends what makes them. How they become bytes is each dialect's own `Renderer`.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from puna.errors import ErrorReport, PunaError

# The name of an extension of ASGI that a server may offer: its `way` is a `Straight`.
STRAIGHT = "puna.straight"

News = TypeVar("News")
News_contra = TypeVar("News_contra", contravariant=True)
# Takes news right where they arise, or says that it does not.
Hear = Callable[[News_contra], bool]


class Renderer(Protocol[News_contra]):
    """How one answer of a dialect is written. It may remember what it has rendered."""

    media_type: str

    def render(self, news: News_contra, /) -> bytes:
        """What this adds to the answer, which may be nothing yet."""
        ...

    def error(self, report: ErrorReport) -> bytes:
        """The error, as a whole answer or in the middle of one."""
        ...

    def status(self, report: ErrorReport) -> int:
        """The status code of an error that comes before anything else."""
        ...


class Straight(Protocol):
    """A way for the pieces of a chunked body past all layers, of which none has a say in them.

    What a token costs is mostly its way out.
    """

    @property
    def is_behind(self) -> bool:
        """Whether the client has yet to read what it was sent."""
        ...

    def write(self, piece: bytes) -> None:
        """Send a piece; to a client that is gone it goes nowhere."""
        ...


class _ClientLeft(Exception):
    """Raised beside an answer whose client hangs up, to take it down."""


class Answer(Response, Generic[News]):
    """An answer that is made while it is sent."""

    def __init__(self, news: AsyncGenerator[News], renderer: Renderer[News]) -> None:
        self.background = None
        self._news = news
        self._renderer = renderer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the end, or until the client leaves."""
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_watch(receive))
                # A task of its own, so that news wakes it alone, and not all that is around it.
                group.create_task(self._work(scope, send, watch))
        except* _ClientLeft:
            pass

    async def _work(self, scope: Scope, send: Send, watch: asyncio.Task[None]) -> None:
        async with aclosing(self._news):
            await self._answer(scope, send)
        watch.cancel()

    async def _answer(self, scope: Scope, send: Send) -> None:
        raise NotImplementedError

    async def _refuse(self, send: Send, report: ErrorReport) -> None:
        status, body = self._renderer.status(report), self._renderer.error(report)
        await _send_whole(send, status, "application/json", body, retry_headers(report))


class StreamedAnswer(Answer[News]):
    """Sends each piece as it comes.

    Its source may tell news right where they arise: once the answer has begun, and while its client
    keeps up, they go out at once, and no task is woken for them.
    """

    def __init__(
        self, source: Callable[[Hear[News]], AsyncGenerator[News]], renderer: Renderer[News]
    ) -> None:
        super().__init__(source(self._hear), renderer)
        self._straight: Straight | None = None

    def _hear(self, news: News) -> bool:
        straight = self._straight
        if straight is None or straight.is_behind:
            return False
        if piece := self._renderer.render(news):
            straight.write(piece)
        return True

    async def _answer(self, scope: Scope, send: Send) -> None:
        begun = False
        last = b""
        try:
            async for news in self._news:
                if not (piece := self._renderer.render(news)):
                    continue
                if not begun:
                    await send(_start(200, self._renderer.media_type))
                    begun = True
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                self._straight = _straight(scope)
        except PunaError as error:
            if not begun:
                await self._refuse(send, error.report())
                return
            last = self._renderer.error(error.report())
        await send({"type": "http.response.body", "body": last})


class WholeAnswer(Answer[News]):
    """Sends everything at once when it is there."""

    async def _answer(self, scope: Scope, send: Send) -> None:
        try:
            pieces = [self._renderer.render(news) async for news in self._news]
        except PunaError as error:
            await self._refuse(send, error.report())
            return
        await _send_whole(send, 200, self._renderer.media_type, b"".join(pieces))


def retry_headers(report: ErrorReport) -> dict[str, str]:
    """The header that says when to ask again, for an error that will pass."""
    if report.kind != "busy":
        return {}
    return {"retry-after": str(max(1, math.ceil(report.retry_after or 1)))}


def _straight(scope: Scope) -> Straight | None:
    offered = scope.get("extensions", {}).get(STRAIGHT)
    return offered["way"] if offered else None


def _start(
    status: int, media_type: str, headers: Mapping[str, str] | None = None
) -> MutableMapping[str, Any]:
    named = {"content-type": media_type, **(headers or {})}
    encoded = [(name.encode(), value.encode()) for name, value in named.items()]
    return {"type": "http.response.start", "status": status, "headers": encoded}


async def _send_whole(
    send: Send,
    status: int,
    media_type: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
) -> None:
    await send(_start(status, media_type, {"content-length": str(len(body)), **(headers or {})}))
    await send({"type": "http.response.body", "body": body})


async def _watch(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _ClientLeft
