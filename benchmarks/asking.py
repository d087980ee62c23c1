"""One request over a socket of its own, and its answer piece by piece with the time of each.

Who asks shares the processor with who answers, so nothing is looked at before all of it has come.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import cast

PATIENCE = 180.0


class Asked(asyncio.Protocol):
    """A request on its way, and what has come of it so far."""

    def __init__(self, request: bytes) -> None:
        self.began = 0.0
        self.arrived: list[tuple[float, bytes]] = []
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Uvloop's transports are asyncio's in all but name.
        self._transport = cast(asyncio.Transport, transport)
        self.began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.arrived.append((time.perf_counter(), data))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    async def end(self) -> None:
        """Wait until the server has said all; who gives up hangs up."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._ended
        finally:
            if self._transport is not None:
                self._transport.abort()


async def ask(address: str, path: str, body: bytes) -> Asked:
    """Put a request; its answer is not awaited."""
    host, _, port = address.rpartition(":")
    head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
    loop = asyncio.get_running_loop()
    _, asked = await loop.create_connection(lambda: Asked(request), host, int(port))
    return asked


def lines(arrived: list[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    """The lines of an answer in chunks, each with the time at which its end came."""
    whole = b"".join(data for _, data in arrived)
    head, _, _ = whole.partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] != [b"200"]:
        raise RuntimeError(whole[-500:].decode(errors="replace") or "There was no answer.")
    ends = _ends(arrived)
    ended, at = next(ends)
    line = b""
    place = len(head) + 4
    while (mark := whole.find(b"\r\n", place)) >= 0 and (size := int(whole[place:mark], 16)):
        place = mark + 2 + size
        if place > len(whole):
            return
        while ended < place:
            ended, at = next(ends)
        *full, line = (line + whole[mark + 2 : place]).split(b"\n")
        yield from ((at, one) for one in full if one.strip())
        place += 2


def _ends(arrived: list[tuple[float, bytes]]) -> Iterator[tuple[int, float]]:
    """Up to which byte each piece goes, and when it came."""
    total = 0
    for at, data in arrived:
        total += len(data)
        yield total, at
