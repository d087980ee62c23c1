"""A fake server that speaks OpenAI's API: a token is a word; what goes wrong is the model's name.

good        all is well
alone       one word, and its end by hanging up
dies        hangs up in mid-answer
tells       tells an error in mid-answer
silent      never answers
overcounts  counts more tokens than were asked for
undercounts counts fewer tokens than the pieces it sends
uncounted   counts none
endless     ends without saying so
page        answers with a page of HTML
refuses     knows no such model
late:N      is well for N requests, and refuses from then on
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

TEMPLATE_TOKENS = 7


class FakeOpenAI:
    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.connections = 0
        self.running = 0
        self.most_running = 0
        # Of the last request that is never answered.
        self.begun, self.left = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await self._head(reader):
                path, length = head
                body = json.loads(await reader.readexactly(length) or b"{}")
                if body.get("model") == "silent":
                    self.begun.set()
                    await reader.read()
                    self.left.set()
                    break
                if not await self._answer(writer, path, body):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> tuple[str, int] | None:
        lines = list[bytes]()
        while (line := await reader.readline()).strip():
            lines.append(line)
        if not lines:
            return None
        headers = dict(line.decode().strip().lower().split(": ", 1) for line in lines[1:])
        self.keys.add(headers.get("authorization", ""))
        return lines[0].decode().split()[1], int(headers.get("content-length", 0))

    async def _answer(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> bool:
        if path == "/v1/models":
            _whole(writer, 200, {"object": "list", "data": [{"id": "good"}]})
            return True
        if not path.startswith("/v1/"):
            _whole(writer, 404, {"error": {"message": "no such path"}})
            return True
        self.asked.append(body)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self._generate(writer, path, body)
        finally:
            self.running -= 1

    async def _generate(
        self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]
    ) -> bool:
        kind, _, well = str(body["model"]).partition(":")
        tokens = _tokens(body)
        if path == "/v1/embeddings":
            usage = {"prompt_tokens": tokens, "total_tokens": tokens}
            _whole(writer, 200, {"data": [{"embedding": [0.5]}], "usage": usage})
            return True
        if kind == "refuses" or (kind == "late" and len(self.asked) > int(well)):
            _whole(writer, 404, {"error": {"message": "there is no such model"}})
            return True
        if kind == "page":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>")
            return True
        return await _stream(writer, kind, body, tokens)


async def _stream(
    writer: asyncio.StreamWriter, kind: str, body: dict[str, Any], tokens: int
) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
    if kind == "alone":
        writer.write(b"connection: close\r\n\r\n")
    else:
        writer.write(b"transfer-encoding: chunked\r\n\r\n")

    def send(data: str) -> None:
        line = f"data: {data}\r\n\r\n".encode()
        writer.write(line if kind == "alone" else b"%x\r\n%s\r\n" % (len(line), line))

    most = 1 if kind == "alone" else int(body["max_tokens"])
    for number in range(most):
        send(json.dumps({"choices": [_choice(f"w{number} ", body)]}))
        await writer.drain()
        await asyncio.sleep(0)
        if kind in ("dies", "tells") and number == 1:
            if kind == "tells":
                send(json.dumps({"error": {"message": "out of cells", "code": 500}}))
                writer.write(b"0\r\n\r\n")
            return kind == "tells"
    if kind != "endless":
        send(json.dumps({"choices": [_choice("", body) | {"finish_reason": "length"}]}))
    counted = most + {"overcounts": 1, "undercounts": -1}.get(kind, 0)
    if kind != "uncounted":
        usage = {"prompt_tokens": tokens, "completion_tokens": counted}
        send(json.dumps({"choices": [], "usage": usage}))
    if kind != "endless":
        send("[DONE]")
    if kind != "alone":
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return kind != "alone"


def _choice(text: str, body: dict[str, Any]) -> dict[str, Any]:
    said = {"text": text} if "prompt" in body else {"delta": {"content": text}}
    return {"index": 0, "finish_reason": None, **said}


def _tokens(body: dict[str, Any]) -> int:
    if "messages" in body:
        each = [len(one["content"].split()) + TEMPLATE_TOKENS for one in body["messages"]]
        return sum(each)
    return len(str(body.get("prompt", body.get("input"))).split()) + 1


def _whole(writer: asyncio.StreamWriter, status: int, body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)


@asynccontextmanager
async def serving() -> AsyncGenerator[tuple[FakeOpenAI, str]]:
    """A fake server on a free port, and its address."""
    fake = FakeOpenAI()
    connected = set[asyncio.Task[None]]()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connected.add(task)
        try:
            await fake.serve(reader, writer)
        except asyncio.CancelledError:
            writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield fake, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in connected:
            task.cancel()
        await asyncio.gather(*connected, return_exceptions=True)
