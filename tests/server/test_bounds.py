"""How much a request may be."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.server import connection
from puna.server.bounds import MOST_DEPTH, MOST_HEADERS, too_deep
from puna.server.connection import MOST_HEAD_BYTES

MOST = 4096


@pytest.mark.parametrize("told", [True, False])
async def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(
    serve: Any, told: bool
) -> None:
    body = b" " * (MOST + 1)

    async def pieces() -> Any:
        yield body

    async with serve(max_body=MOST) as client:
        answer = await client.post("/api/chat", content=body if told else pieces())
        assert answer.status_code == 413
        assert "PUNA_MAX_BODY" in answer.json()["error"]
        fits = json.dumps({"model": "none", "messages": []}).encode().ljust(MOST)
        assert (await client.post("/api/chat", content=fits)).status_code == 404


async def test_a_models_file_may_be_larger_than_a_request(serve: Any) -> None:
    async with serve(max_body=MOST) as client:
        answer = await client.post(f"/api/blobs/sha256:{'0' * 64}", content=b" " * (MOST + 1))
        assert answer.status_code != 413


async def test_a_body_that_says_it_is_larger_is_refused_before_it_comes(
    client: httpx.AsyncClient,
) -> None:
    head = b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n"
    assert b" 413 " in await said(client, head)


async def said(client: httpx.AsyncClient, *pieces: bytes) -> bytes:
    """The first line of what the server says to these bytes."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    for piece in pieces:
        writer.write(piece)
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.readline(), 60)
    finally:
        writer.close()


async def test_more_headers_than_anybody_needs_are_refused(client: httpx.AsyncClient) -> None:
    many = {f"x-{number}": "llama" for number in range(MOST_HEADERS)}
    assert (await client.get("/", headers=many)).status_code == 431
    assert (await client.get("/", headers={"x-large": "a" * (64 << 10)})).status_code == 431


async def test_a_head_without_an_end_is_cut_off(client: httpx.AsyncClient) -> None:
    endless = b"GET / HTTP/1.1\r\nx: " + b"a" * (2 * MOST_HEAD_BYTES)
    assert b" 431 " in await said(client, endless)


A_LOT = b"a" * (32 << 20)
HEADS = {
    "a head without an end": (b"GET / HTTP/1.1\r\nx: ", b" 431 "),
    "too large a body": (
        b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n",
        b" 413 ",
    ),
}


@pytest.mark.parametrize("what", HEADS)
async def test_who_is_refused_is_told_even_while_still_sending(
    client: httpx.AsyncClient, what: str
) -> None:
    head, status = HEADS[what]
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    # Nothing is read before all of it is sent, and that is more than any buffer holds.
    writer.write(head + A_LOT)
    await asyncio.wait_for(writer.drain(), 60)
    answer = await asyncio.wait_for(reader.read(), 60)
    assert status in answer.partition(b"\r\n")[0]
    assert b"too large" in answer or b"larger than" in answer
    writer.close()
    await writer.wait_closed()


async def test_who_is_refused_and_does_not_hang_up_is_hung_up_on(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(b"no request at all\r\n\r\n")
    assert b" 400 " in (await asyncio.wait_for(reader.read(), 60)).partition(b"\r\n")[0]
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(talking_on(writer), 60)
    writer.close()


async def talking_on(writer: asyncio.StreamWriter) -> None:
    """Send without an end."""
    while True:
        writer.write(b"still here")
        await writer.drain()
        await asyncio.sleep(0)


async def test_a_large_body_behind_a_small_head_is_no_large_head(
    client: httpx.AsyncClient,
) -> None:
    body = b" " * (4 * MOST_HEAD_BYTES)
    head = b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert b" 400 " in await said(client, head + body)


async def test_json_that_is_too_deep_is_refused(client: httpx.AsyncClient) -> None:
    deep = b'{"model": "cria", "format": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001
    answer = await client.post("/api/chat", content=deep)
    assert answer.status_code == 400
    assert "levels deep" in answer.json()["error"]


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def test_depth_is_counted_outside_of_strings() -> None:
    assert not too_deep(nested(MOST_DEPTH))
    assert too_deep(nested(MOST_DEPTH + 1))
    assert not too_deep(json.dumps("[" * 500).encode())
    assert not too_deep(json.dumps(['"[\\' * 500, "\\"]).encode())
    assert too_deep(json.dumps("\\").encode() + nested(MOST_DEPTH + 1))
    assert not too_deep(b"[]" * 500)


def deepest(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(deepest, value), default=0) if isinstance(value, list) else 0


@given(
    st.recursive(
        st.text() | st.text('[]{}"\\'),
        lambda inner: st.lists(inner) | st.dictionaries(st.text('[]{}"\\'), inner),
        max_leaves=12,
    ),
    st.integers(0, 5),
)
def test_depth_is_what_a_parser_finds(value: Any, most: int) -> None:
    assert too_deep(json.dumps(value).encode(), most) == (deepest(value) > most)
