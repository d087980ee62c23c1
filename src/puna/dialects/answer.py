"""Answers made of deltas, over ASGI as it is: whatever is ready goes out in one piece.

A client that leaves cancels its job. How deltas become bytes is each dialect's own `Renderer`.
"""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import aclosing
from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from puna.errors import ErrorReport, PunaError
from puna.jobs import Delta

Deltas = AsyncGenerator[list[Delta]]


class Renderer(Protocol):
    """How one answer of a dialect is written. It may remember what it has rendered."""

    media_type: str

    def render(self, batch: list[Delta]) -> bytes:
        """What these deltas add to the answer, which may be nothing yet."""
        ...

    def error(self, report: ErrorReport) -> bytes:
        """The error, as a whole answer or in the middle of one."""
        ...

    def status(self, report: ErrorReport) -> int:
        """The status code of an error that comes before anything else."""
        ...


class _ClientLeft(Exception):
    """Raised beside an answer whose client hangs up, to take it down."""


class Answer(Response):
    """An answer that is made while it is sent."""

    def __init__(self, deltas: Deltas, renderer: Renderer) -> None:
        self.background = None
        self._deltas = deltas
        self._renderer = renderer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the end, or until the client leaves."""
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_watch(receive))
                # A task of its own, so that a delta wakes it alone, and not all that is around it.
                group.create_task(self._work(send, watch))
        except* _ClientLeft:
            pass

    async def _work(self, send: Send, watch: asyncio.Task[None]) -> None:
        async with aclosing(self._deltas):
            await self._answer(send)
        watch.cancel()

    async def _answer(self, send: Send) -> None:
        raise NotImplementedError

    async def _refuse(self, send: Send, report: ErrorReport) -> None:
        renderer = self._renderer
        await _send_whole(send, renderer.status(report), "application/json", renderer.error(report))


class StreamedAnswer(Answer):
    """Sends each piece as it comes."""

    async def _answer(self, send: Send) -> None:
        render = self._renderer.render
        started = False
        last = b""
        try:
            async for batch in self._deltas:
                if not (piece := render(batch)):
                    continue
                if not started:
                    await send(_start(200, self._renderer.media_type))
                    started = True
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except PunaError as error:
            if not started:
                await self._refuse(send, error.report())
                return
            last = self._renderer.error(error.report())
        await send({"type": "http.response.body", "body": last})


class WholeAnswer(Answer):
    """Sends everything at once when it is there."""

    async def _answer(self, send: Send) -> None:
        try:
            pieces = [self._renderer.render(batch) async for batch in self._deltas]
        except PunaError as error:
            await self._refuse(send, error.report())
            return
        await _send_whole(send, 200, self._renderer.media_type, b"".join(pieces))


def _start(status: int, media_type: str, *headers: tuple[bytes, bytes]) -> MutableMapping[str, Any]:
    named = [(b"content-type", media_type.encode()), *headers]
    return {"type": "http.response.start", "status": status, "headers": named}


async def _send_whole(send: Send, status: int, media_type: str, body: bytes) -> None:
    await send(_start(status, media_type, (b"content-length", str(len(body)).encode())))
    await send({"type": "http.response.body", "body": body})


async def _watch(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _ClientLeft
