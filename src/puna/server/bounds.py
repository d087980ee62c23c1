"""How much a request may be: in its head, in its body, and in how deep its JSON goes.

All is looked at before anything parses it. Files of models are another matter: they are as large
as they are, and are written to disk as they come.
"""

import asyncio
from http import HTTPStatus

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from puna.server.refusing import refuse
from puna.settings import Settings

MOST_HEADERS = 100
MOST_HEADER_BYTES = 64 << 10
MOST_DEPTH = 100
PART_SECONDS = 30.0
FILES = "/api/blobs/"
MOST_LOGGED = 64 << 10

_INSIGNIFICANT = bytes(set(range(256)) - set(b'"[]{}'))
_log = structlog.get_logger("puna.prompts")


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Bounds:
    """An ASGI layer that reads a request whole and passes it on if it is within its bounds."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a request and pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            bodied = _look_at(scope["headers"])
            if bodied and not scope["path"].startswith(FILES):
                receive = _replaying(await self._read(scope, receive), receive)
        except _Refused as error:
            await refuse(send, error.status, error.message)
            return
        except ConnectionResetError:
            return
        await self._app(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        most = self._settings.max_body
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if int(told) > most:
            raise _too_large(most)
        pieces: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await _next(receive)
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            more = message.get("more_body", False)
            if size > most:
                raise _too_large(most)
        body = b"".join(pieces)
        if too_deep(body):
            raise _Refused(
                HTTPStatus.BAD_REQUEST,
                f"The body has JSON that is more than {MOST_DEPTH} levels deep.",
            )
        if self._settings.log_prompts:
            _log.info("asked", body=body[:MOST_LOGGED].decode(errors="replace"))
        return body


def _look_at(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a body follows these headers, if they are within bounds."""
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MOST_HEADERS or size > MOST_HEADER_BYTES:
        raise _Refused(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The request has {len(headers)} headers of {size} bytes; it may have "
            f"{MOST_HEADERS} of {MOST_HEADER_BYTES}.",
        )
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )


def _too_large(most: int) -> _Refused:
    message = f"The body is larger than {most} bytes, the most that PUNA_MAX_BODY allows."
    return _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)


async def _next(receive: Receive) -> Message:
    try:
        async with asyncio.timeout(PART_SECONDS):
            message = await receive()
    except TimeoutError:
        message = f"Nothing more of the body has come for {PART_SECONDS:g} s."
        raise _Refused(HTTPStatus.REQUEST_TIMEOUT, message) from None
    if message["type"] == "http.disconnect":
        raise ConnectionResetError
    return message


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Receives the body as if it came now, and then what comes."""
    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return unread.pop() if unread else await receive()

    return replay


def too_deep(body: bytes, most: int = MOST_DEPTH) -> bool:
    """Whether JSON goes deeper than that. It need not be JSON; then the answer says nothing."""
    if body.count(b"[") + body.count(b"{") <= most:
        return False
    # Without what is escaped every quote begins or ends a string.
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    outside = b"".join(unescaped.translate(None, _INSIGNIFICANT).split(b'"')[::2])
    depth = 0
    for mark in outside:
        depth += 1 if mark in b"[{" else -1
        if depth > most:
            return True
    return False
