"""The least that a server of one process can do for a token: wake up for a step, and write.

`relay.py` measures it beside Puna. Nothing is parsed, rendered or remembered: who asks says a
number, and gets a fixed line as often, one with each beat of a drum in another process.
"""

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from typing import cast

import uvloop

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_LINE = {
    "model": "cria",
    "created_at": "2026-01-01T00:00:00.000000Z",
    "message": {"role": "assistant", "content": " token"},
    "done": False,
}
LINE = json.dumps(_LINE, separators=(",", ":")).encode() + b"\n"
PIECE = b"%x\r\n%b\r\n" % (len(LINE), LINE)
END = b"0\r\n\r\n"


class Client(asyncio.Protocol):
    """One who has asked, until all of the answer is written."""

    def __init__(self, waiting: "set[Client]") -> None:
        self.waiting = waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        found = re.search(rb'"content": ?"(\d+)"', data)
        assert found is not None, data
        self.left = int(found[1])
        self.transport.write(HEAD)
        self.waiting.add(self)

    def beat(self) -> None:
        if self.left:
            self.left -= 1
            self.transport.write(PIECE)
        else:
            self.waiting.discard(self)
            self.transport.write(END)
            self.transport.close()


class Drum(asyncio.Protocol):
    """The other process, of which each byte is a step."""

    def __init__(self, waiting: set[Client]) -> None:
        self.waiting = waiting

    def data_received(self, data: bytes) -> None:
        for _ in data:
            for client in [*self.waiting]:
                client.beat()


def beat(seconds: float) -> None:
    """Be the drum, on the socket that is the standard input."""
    with socket.socket(fileno=0) as out:
        while True:
            time.sleep(seconds)
            out.send(b".")


async def serve(drum: socket.socket) -> None:
    """Be the server, for ever."""
    loop = asyncio.get_running_loop()
    waiting = set[Client]()
    server = await loop.create_server(lambda: Client(waiting), "127.0.0.1", 0)
    await loop.create_unix_connection(lambda: Drum(waiting), sock=drum)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def run(seconds: float) -> None:
    """Serve, with a step each so many seconds."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, __file__, f"{seconds}"]
        drum = subprocess.Popen(command, stdin=theirs.fileno())
    try:
        uvloop.run(serve(ours))
    finally:
        drum.kill()
        drum.wait()


if __name__ == "__main__":
    beat(float(sys.argv[1]))
