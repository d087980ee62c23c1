"""What a runner says to its server, on whichever of its threads it is said."""

import asyncio
import socket
from contextlib import suppress
from threading import Lock

from puna.protocol import ToServer, pack


class Outbox:
    """Sends at once what the socket takes just then; the loop sends the rest when it can.

    So nobody waits here, however slowly the server reads, and what a step brought goes out without
    another thread being woken for it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._rest = bytearray()
        self._over = False

    def send(self, message: ToServer) -> None:
        """Say this, after what was said before; to a server that is gone it goes nowhere."""
        data = pack(message)
        with self._lock:
            if self._rest:
                self._rest += data
            elif rest := data[self._sent(data) :]:
                self._rest += rest
                self._loop.call_soon_threadsafe(self._watch)

    async def close(self) -> None:
        """Send what there is still to say; what is said from now on goes nowhere."""
        with self._lock:
            self._over, rest, self._rest = True, self._rest, bytearray()
            self._loop.remove_writer(self._socket)
        with suppress(OSError):
            await self._loop.sock_sendall(self._socket, rest)
        self._socket.close()

    # On the loop

    def _watch(self) -> None:
        if not self._over:
            self._loop.add_writer(self._socket, self._go_on)

    def _go_on(self) -> None:
        with self._lock:
            del self._rest[: self._sent(self._rest)]
            if not self._rest:
                self._loop.remove_writer(self._socket)

    def _sent(self, data: bytes | bytearray) -> int:
        """How many bytes of these are gone: to the server, or for good where it has gone."""
        if self._over:
            return len(data)
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._over = True
            return len(data)
