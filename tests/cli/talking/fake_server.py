"""A fake server, which says and does what a test tells it: a model's words cannot be told it."""

import json
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

ENDING = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}


class FakeServer:
    """What it is asked, what it knows of jobs, and what it answers, piece by piece."""

    def __init__(self) -> None:
        self.address = ""
        self.asked: list[dict[str, Any]] = []
        self.progress: dict[str, Any] = {}
        self.capabilities = ["completion"]
        self.begun: list[dict[str, str]] = []
        self.models: list[str] = []
        # The lines of answers; None lets the server die in the middle of one.
        self.lines: Queue[dict[str, Any] | None] = Queue()

    def say(self, *texts: str, kind: str = "content") -> None:
        for text in texts:
            message = {"role": "assistant", "content": "", kind: text}
            self.lines.put({"message": message, "done": False})

    def call(self, name: str, **arguments: Any) -> None:
        calls = [{"function": {"name": name, "arguments": arguments}}]
        message = {"role": "assistant", "content": "", "tool_calls": calls}
        self.lines.put({"message": message, "done": False})

    def hang_up(self) -> None:
        """Break the answer off, and wait until whoever gives it has heard of it."""
        self.lines.put(None)
        self.lines.join()

    def finish(self, **more: Any) -> None:
        self.lines.put({**ENDING, **more})


@contextmanager
def fake_server() -> Generator[FakeServer]:
    fake = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/api/tags":
                self._answer({"models": [{"name": name} for name in fake.models]})
            else:
                self._answer(fake.progress if "progress" in self.path else {"version": "0"})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/api/chat":
                fake.asked.append(asked)
                self._stream()
            elif self.path == "/api/show":
                self._answer({"capabilities": fake.capabilities, "messages": fake.begun})
            else:
                self._answer({"done": True})

        def _answer(self, told: dict[str, Any]) -> None:
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self) -> None:
            begun, line = False, fake.lines.get()
            # Also for a client that has gone: what is said to it is not for the next one.
            while line is not None:
                with suppress(OSError):
                    self._say(line, begun=begun)
                begun = True
                fake.lines.task_done()
                if line["done"]:
                    return
                line = fake.lines.get()
            self.close_connection = True
            fake.lines.task_done()

        def _say(self, line: dict[str, Any], *, begun: bool) -> None:
            if not begun:
                self.send_response(200)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
            body = json.dumps(line).encode() + b"\n"
            self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
            if line["done"]:
                self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        fake.address = f"127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield fake
        finally:
            # Whoever still waits for a line goes.
            for _ in range(8):
                fake.lines.put(None)
            server.shutdown()
            thread.join()
