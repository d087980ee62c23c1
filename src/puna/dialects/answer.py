"""Answers made piece by piece, over ASGI as it is: whatever is ready goes out at once.

The pieces are a job's deltas, or the news of something else that takes time. A client that leaves
ends what makes them. How they become bytes is each dialect's own `Renderer`.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from puna.errors import ErrorReport, PunaError

# An extension that a server may offer: sends a piece of a chunked body past all layers, of which
# none has a say in it. What a token costs is mostly its way out.
STRAIGHT = "puna.straight"

News = TypeVar("News")
News_contra = TypeVar("News_contra", contravariant=True)
SendPiece = Callable[[bytes], Awaitable[None]]


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
                group.create_task(self._work(send, _straight(scope, send), watch))
        except* _ClientLeft:
            pass

    async def _work(self, send: Send, straight: SendPiece, watch: asyncio.Task[None]) -> None:
        async with aclosing(self._news):
            await self._answer(send, straight)
        watch.cancel()

    async def _answer(self, send: Send, straight: SendPiece) -> None:
        raise NotImplementedError

    async def _refuse(self, send: Send, report: ErrorReport) -> None:
        status, body = self._renderer.status(report), self._renderer.error(report)
        await _send_whole(send, status, "application/json", body, retry_headers(report))


class StreamedAnswer(Answer[News]):
    """Sends each piece as it comes."""

    async def _answer(self, send: Send, straight: SendPiece) -> None:
        render = self._renderer.render
        started = False
        last = b""
        try:
            async for news in self._news:
                if not (piece := render(news)):
                    continue
                if not started:
                    await send(_start(200, self._renderer.media_type))
                    started = True
                await straight(piece)
        except PunaError as error:
            if not started:
                await self._refuse(send, error.report())
                return
            last = self._renderer.error(error.report())
        await send({"type": "http.response.body", "body": last})


class WholeAnswer(Answer[News]):
    """Sends everything at once when it is there."""

    async def _answer(self, send: Send, straight: SendPiece) -> None:
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


def _straight(scope: Scope, send: Send) -> SendPiece:
    """The server's own way for pieces; where it offers none, the one that all else takes."""

    async def through_all_layers(piece: bytes) -> None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})

    offered = scope.get("extensions", {}).get(STRAIGHT)
    return offered["send"] if offered else through_all_layers


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
