"""How commands hear an answer line by line."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
from tests.clients.conftest import serving

from puna.cli.client import Client
from puna.errors import NoServer, PunaError, Unreachable

CHAT = {"model": "cria", "messages": [{"role": "user", "content": "Hello"}]}
ENDLESS = {**CHAT, "options": {"ignore_eos": True, "num_predict": 10_000_000}}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address


@contextmanager
def answering(body: bytes, status: int = 200) -> Generator[Client]:
    """A server that answers one request with this, whatever it is."""

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        try:
            yield Client(f"127.0.0.1:{server.server_port}")
        finally:
            thread.join()


def test_an_answer_comes_line_by_line(address: str) -> None:
    lines = list(Client(address).stream("/api/chat", CHAT))
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert "".join(line["message"]["content"] for line in lines)


def test_who_stops_listening_ends_the_job(address: str) -> None:
    id = "b" * 32
    with closing(Client(address).stream("/api/chat", ENDLESS, {"x-request-id": id})) as lines:
        next(lines)
    while (job := httpx.get(f"{address}/api/progress/{id}", timeout=60).json())["ended"] is None:
        pass
    assert job["phase"] == "cancelled"


def test_an_error_before_the_first_line_is_told_in_the_servers_words(address: str) -> None:
    with pytest.raises(PunaError, match="'nope:latest' was not found"):
        next(Client(address).stream("/api/chat", {**CHAT, "model": "nope"}))


def test_an_error_within_an_answer_is_raised_behind_what_came_before() -> None:
    with answering(b'8\r\n{"a":1}\n\r\n12\r\n{"error":"broke"}\n\r\n0\r\n\r\n') as client:
        lines = client.stream("/", {})
        assert next(lines) == {"a": 1}
        with pytest.raises(PunaError, match="broke"):
            next(lines)


def test_a_server_that_ends_within_an_answer_is_told() -> None:
    with answering(b'8\r\n{"a":1}\n\r\n8\r\n{"a"') as client:
        lines = client.stream("/", {})
        assert next(lines) == {"a": 1}
        with pytest.raises(Unreachable, match="does not answer"):
            next(lines)


def test_where_nobody_listens_is_told_apart() -> None:
    with pytest.raises(NoServer, match="`puna serve` starts one"):
        next(Client("127.0.0.1:1").stream("/", {}))
