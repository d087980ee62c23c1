"""One connection: uvicorn's, with bounds for how large a request's head is and how long it takes.

Only when there is a whole head is there a request, and `bounds.py` can look at it. What an answer
writes in one turn of the loop goes out together: its head with its first piece, its last piece with
its end. The pieces between need no layer's look: they may go straight to the socket.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast
from uuid import uuid4

import msgspec
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from puna.dialects.answer import STRAIGHT

MOST_HEAD_BYTES = 128 << 10
HEAD_SECONDS = 30.0
# So long who was refused may take to read that, and to stop sending.
LINGER_SECONDS = 5.0

_log = structlog.get_logger("puna.access")


class Connection(HttpToolsProtocol):
    """A connection whose every head is bounded."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._head_bytes = 0
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody has come; their request must follow."""
        super().connection_made(transport)
        self._expect_head()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._forget_head()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            gathering = Gathering(self.transport, self.loop, self._hang_up)
            # The answer's task has not begun yet. Of a transport it knows only these methods.
            self.cycle.transport = cast(asyncio.Transport, gathering)
            self.scope["extensions"] = {STRAIGHT: {"way": Straight(self.cycle, gathering)}}

    def data_received(self, data: bytes) -> None:
        """Parse what has come; a head that has not ended with it has grown by it."""
        if self._refused:
            return
        super().data_received(data)
        if self._deadline is not None and not self._refused:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self._refuse(status, "The head of this request is too large.")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request at all."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer what no layer gets to see, with an id and a line in the log as they would."""
        id = uuid4().hex
        body = msgspec.json.encode({"error": message})
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self._hang_up_last()
        client = (self.client or ("",))[0]
        _log.info("request", status=status.value, error=message, client=client, request=id)

    def _hang_up(self) -> None:
        """End the connection; who is still sending a body is let finish with that."""
        if self.cycle.more_body:
            self._hang_up_last()
        else:
            self.transport.close()

    def _hang_up_last(self) -> None:
        """Say that this was all, and hang up once they have, or after a while.

        What they have sent and nobody has read would end the connection by a reset, which may take
        the answer from them.
        """
        self._refused = True
        self._forget_head()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.close)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _unsupported_upgrade_warning(self) -> None:
        """Nobody need be warned: who would like another protocol is answered in this one."""

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        self._forget_head()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._forget_head()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _forget_head(self) -> None:
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Gathering:
    """A transport to which everything that is written in one turn of the loop goes at once."""

    __slots__ = ("_hang_up", "_loop", "_pieces", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        hang_up: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._hang_up = hang_up
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> None:
        """Send a piece, with those that follow it in this turn."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(piece)

    def write_now(self, piece: bytes) -> None:
        """Send a piece, behind those that wait for others."""
        if self._pieces:
            self.flush()
        self._transport.write(piece)

    def flush(self) -> None:
        """Send what waits; to a client that is gone it goes nowhere."""
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            if not self._transport.is_closing():
                self._transport.write(b"".join(pieces))

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Send what waits, and hang up."""
        self.flush()
        self._hang_up()


class Straight:
    """The way of a chunked answer's pieces past all that its head and its end go through."""

    __slots__ = ("_cycle", "_flow", "_write")

    def __init__(self, cycle: RequestResponseCycle, gathering: Gathering) -> None:
        self._cycle = cycle
        self._flow = cycle.flow
        self._write = gathering.write_now

    @property
    def is_behind(self) -> bool:
        """Whether the client has yet to read what it was sent."""
        return self._flow.write_paused

    def write(self, piece: bytes) -> None:
        """Send a piece of the body; to a client that is gone it goes nowhere."""
        if not self._cycle.disconnected:
            self._write(b"%x\r\n%b\r\n" % (len(piece), piece))
