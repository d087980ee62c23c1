"""HTTP with as little of this process's time as can be, and the moment at which each part came.

A general client would take as much time for a token as a small model does, on the same cores.
Here nothing is done for a token but to note when it came; what it says is read afterwards.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

import httptools

from puna.bench.asking import Fault

CONNECT_SECONDS = 10.0
LONGEST_ANSWER = 64 << 20

# A part of a body, and when it came.
Part = tuple[float, bytes]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is."""

    host: str
    port: int
    secure: bool = False
    # What stands before each path.
    base: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.base}"


@dataclass(slots=True)
class Exchange:
    """One answer as it came, whole or not."""

    status: int = 0
    parts: list[Part] = field(default_factory=list[Part])
    fault: Fault | None = None
    error: str = ""

    @property
    def body(self) -> bytes:
        """All parts together."""
        return b"".join(data for _, data in self.parts)


class Wire(asyncio.Protocol):
    """One connection, on which one request at a time is answered."""

    def __init__(self) -> None:
        self.is_open = False
        self.was_used = False
        self._exchange = Exchange()
        self._answered: asyncio.Future[None] | None = None

    async def ask(self, request: bytes) -> Exchange:
        """Send a request; its answer."""
        self._exchange = Exchange()
        self._answered = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._now = 0.0
        self._size = 0
        self._ends_with_connection = True
        self._transport.write(request)
        try:
            await self._answered
        except asyncio.CancelledError:
            self.close()
            raise
        self.was_used = True
        return self._exchange

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # uvloop's transports are ones by what they do, not by their class.
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._answered is None or self._answered.done():
            self.close()
            return
        self._now = time.perf_counter()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail("malformed", f"This is no HTTP: {error}.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self.is_open = False
        if self._answered is None or self._answered.done():
            return
        if self._exchange.status and self._ends_with_connection and exc is None:
            self._answered.set_result(None)
        else:
            self._fail("broken", "The connection was closed in mid-answer.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._ends_with_connection = False

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._exchange.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self._size += len(data)
        if self._size > LONGEST_ANSWER:
            self._fail("malformed", f"The answer is longer than {LONGEST_ANSWER} bytes.")
        else:
            self._exchange.parts.append((self._now, data))

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)
        if not self._parser.should_keep_alive():
            self.close()

    def _fail(self, fault: Fault, error: str) -> None:
        self._exchange.fault, self._exchange.error = fault, error
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)
        self.close()


class Wires:
    """Connections to one server: as many as there are requests at once, used again and again."""

    def __init__(self, address: Address, key: str | None, patience: float) -> None:
        self.address = address
        self._key = key
        self._patience = patience
        self._idle: list[Wire] = []
        self._context = ssl.create_default_context() if address.secure else None

    async def get(self, path: str) -> Exchange:
        """What is at a path."""
        return await self._exchange("GET", path, b"")

    async def post(self, path: str, body: bytes) -> Exchange:
        """What a request is answered with."""
        return await self._exchange("POST", path, body)

    def close(self) -> None:
        """Hang up all."""
        while self._idle:
            self._idle.pop().close()

    async def _exchange(self, method: Literal["GET", "POST"], path: str, body: bytes) -> Exchange:
        request = self._head(method, path, len(body)) + body
        try:
            async with asyncio.timeout(self._patience):
                return await self._asked(request)
        except TimeoutError:
            return Exchange(fault="timeout", error=f"No answer within {self._patience:g} s.")

    async def _asked(self, request: bytes) -> Exchange:
        while True:
            try:
                wire = await self._wire()
            except OSError as error:
                text = f"No server answers at {self.address}: {error or 'it takes too long'}."
                return Exchange(fault="unreachable", error=text)
            was_used = wire.was_used
            exchange = await wire.ask(request)
            if was_used and exchange.fault == "broken" and not exchange.status:
                # The server had given the connection up just when it was used again.
                continue
            if wire.is_open:
                self._idle.append(wire)
            return exchange

    async def _wire(self) -> Wire:
        while self._idle:
            if (wire := self._idle.pop()).is_open:
                return wire
        connecting = asyncio.get_running_loop().create_connection(
            Wire, self.address.host, self.address.port, ssl=self._context
        )
        async with asyncio.timeout(CONNECT_SECONDS):
            return (await connecting)[1]

    def _head(self, method: str, path: str, length: int) -> bytes:
        host = str(self.address).partition("://")[2].removesuffix(self.address.base)
        headers: Mapping[str, str] = {
            "host": host,
            "user-agent": "puna-bench",
            "accept": "*/*",
            "content-type": "application/json",
            "content-length": str(length),
        } | ({"authorization": f"Bearer {self._key}"} if self._key else {})
        lines = [f"{method} {self.address.base}{path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")
