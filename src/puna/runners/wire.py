"""The server's end of the socket to a runner: messages out, messages in, and word of its end."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

from puna.protocol import ToRunner, ToServer, Unpacker, pack


class Wire(asyncio.Protocol):
    """One connection. Messages are handed on as they arrive, in the loop's own callback."""

    def __init__(
        self,
        receive: Callable[[ToServer], None],
        received: Callable[[], None],
        break_off: Callable[[str], None],
    ) -> None:
        self._receive = receive
        self._received = received
        self._break_off = break_off
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unpacker = Unpacker()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The runner has called."""
        # A cast, since uvloop's transports are none by inheritance.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand on each message that is complete, and say when there is no more."""
        try:
            for message in self._unpacker.feed(data):
                self._receive(message)
        except msgspec.DecodeError as error:
            self._break_off(f"sent what is no message: {error}")
        self._received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The runner has hung up."""
        self._transport = None
        self.closed.set_result(None)

    def post(self, message: ToRunner) -> None:
        """Send a message; to a runner that is gone it goes nowhere, and its jobs know already."""
        if self._transport is not None:
            self._transport.write(pack(message))

    def close(self) -> None:
        """Hang up; what a stuck runner has not read yet is not waited for."""
        if self._transport is not None:
            self._transport.abort()


class Doorstep:
    """A private socket on which one runner is awaited; it vanishes once the runner has called."""

    def __init__(self) -> None:
        # The folder is made with mode 0700, so nobody else can reach what is in it.
        self._folder = Path(tempfile.mkdtemp(prefix="puna-"))
        self.path = self._folder / "runner.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.fspath(self.path))
        self._listener.listen(1)
        self._listener.setblocking(False)

    async def wait(self, wire: Wire) -> None:
        """Let the runner in."""
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(self._listener)
        await loop.create_unix_connection(lambda: wire, sock=connection)

    def close(self) -> None:
        """Take the socket and its folder away."""
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)
