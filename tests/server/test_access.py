"""What every request gets: an id, a line in the log, and an answer even to nonsense."""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.server import conftest as house

from puna.dialects.scopes import scope_of
from puna.server.access import Access
from puna.server.app import create_app
from puna.server.connection import MOST_HEAD_BYTES

CHAT = {"model": "cria", "messages": [{"role": "user", "content": "echo quipu"}]}


async def test_every_answer_has_an_id_of_its_own(client: httpx.AsyncClient) -> None:
    answers = [await client.get(path) for path in ("/", "/", "/none", "/api/chat")]
    answers.append(await client.get("/", headers={"host": "evil.example"}))
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(re.fullmatch("[0-9a-f]{32}", id) for id in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE / HTTP/9\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n", 400),
        # No more than makes it too large, or it would be cut off before it has been read.
        (b"GET / HTTP/1.1\r\nx: ".ljust(MOST_HEAD_BYTES + 1, b"a"), 431),
    ],
    ids=["nonsense", "no chunks", "an endless head"],
)
async def test_what_is_no_request_has_an_id_and_a_line_too(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str], sent: bytes, status: int
) -> None:
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(sent)
    head, _, body = (await asyncio.wait_for(reader.read(), 60)).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert list(json.loads(body)) == ["error"]
    found = re.search(rb"x-request-id: ([0-9a-f]{32})\r\n", head)
    assert found
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if found[1].decode() in line and f"{status}" in line]


async def test_a_wish_for_another_protocol_is_answered_in_this_one_without_a_warning(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/", headers={"upgrade": "h2c", "connection": "Upgrade"})
    assert answer.status_code == 200
    assert not caplog.records


async def test_a_path_that_is_nothings_is_told_as_such(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/none")
    assert answer.status_code == 404
    assert answer.json() == {"error": "GET /api/none: there is nothing here."}


async def test_a_method_that_a_path_does_not_take_is_told_as_such(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/api/chat")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert list(answer.json()) == ["error"]


async def test_what_a_route_does_not_take_is_told_in_the_same_shape(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/puna/v1/jobs?limit=0")
    assert answer.status_code == 400
    assert "limit" in answer.json()["error"]


def test_every_route_declares_its_scope(tmp_path: Path) -> None:
    routes = create_app(house.configured(tmp_path)).routes
    endpoints = [(route.path, route.endpoint) for route in routes if isinstance(route, Route)]
    assert "/api/chat" in dict(endpoints)
    assert len(endpoints) == len(routes)
    assert [path for path, endpoint in endpoints if not scope_of(endpoint)] == []


async def broken(scope: Any, receive: Any, send: Any) -> None:
    """An application with bugs."""
    request = Request(scope)
    answer: Response = PlainTextResponse("fine")
    if request.url.path == "/early":
        raise ZeroDivisionError("a secret of the server")
    if request.url.path == "/late":

        async def pieces() -> AsyncGenerator[bytes]:
            yield b"so far"
            raise ZeroDivisionError("a secret of the server")

        answer = StreamingResponse(pieces())
    await answer(scope, receive, send)


async def test_a_bug_is_a_500_with_the_requests_id_and_without_its_trace(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with house.running(Access(broken)) as address, httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(f"{address}/early")
        assert answer.status_code == 500
        assert answer.headers["x-request-id"] in answer.json()["error"]
        assert "secret" not in answer.text
        assert "ZeroDivision" not in answer.text
        assert (await client.get(f"{address}/")).text == "fine"
    logged = capsys.readouterr().out
    assert "a secret of the server" in logged
    assert "test_access.py" in logged


async def test_a_bug_in_the_middle_of_an_answer_cuts_it_off() -> None:
    async with house.running(Access(broken)) as address, httpx.AsyncClient(timeout=60) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{address}/late")


async def test_a_client_that_leaves_is_logged_as_such(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    hanging = {**CHAT, "messages": [{"role": "user", "content": "hang"}], "stream": False}
    await client.post("/api/chat", json={**CHAT, "stream": False})
    await house.leave_midway(client, hanging)
    logged = ""
    while "499" not in logged:
        await asyncio.sleep(0)
        logged += capsys.readouterr().out


async def test_a_request_is_one_line_with_its_status_and_no_query(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    await client.get("/api/none?secret=1", headers={"authorization": "Bearer secret"})
    took = time.monotonic() - began
    (line,) = capsys.readouterr().out.splitlines()
    assert re.search(r"method=.*GET", line)
    assert re.search(r"path=.*/api/none", line)
    assert re.search(r"status=.*404", line)
    seconds = re.search(r"seconds=\D*(?:\[\d+m)*(\d+\.\d+)", line)
    assert seconds
    assert float(seconds[1]) <= took + 0.001
    assert "secret" not in line


@pytest.mark.parametrize("asked_for", [False, True])
async def test_a_prompt_is_logged_only_if_that_is_asked_for(
    serve: Any, capsys: pytest.CaptureFixture[str], asked_for: bool
) -> None:
    async with serve(log_prompts=asked_for, log_level="debug") as client:
        assert "quipu" in (await client.post("/api/chat", json=CHAT)).text
    assert ("quipu" in capsys.readouterr().out) is asked_for


async def test_a_client_that_chose_its_requests_id_finds_the_job_by_it(
    client: httpx.AsyncClient,
) -> None:
    id = "0123456789abcdef" * 2
    answer = await client.post("/api/chat", json=CHAT, headers={"x-request-id": id})
    assert answer.headers["x-request-id"] == id
    assert (await client.get(f"/api/progress/{id}")).json()["phase"] == "done"


async def test_an_id_that_is_running_cannot_be_chosen_again(client: httpx.AsyncClient) -> None:
    id = "a" * 32
    hanging = {"model": "cria", "messages": [{"role": "user", "content": "pace 100000"}]}
    async with client.stream("POST", "/api/chat", json=hanging, headers={"x-request-id": id}):
        answer = await client.post("/api/chat", json=CHAT, headers={"x-request-id": id})
        assert (answer.status_code, answer.json()["error"]) == (
            400,
            f"A job with the id {id} is running already.",
        )


@pytest.mark.parametrize("chosen", ["", "1", "a" * 33, "A" * 32, "../" * 11, f"{'a' * 31}é"])
async def test_an_id_of_another_shape_is_not_taken(client: httpx.AsyncClient, chosen: str) -> None:
    answer = await client.get("/", headers=[(b"x-request-id", chosen.encode("latin-1"))])
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] != chosen
