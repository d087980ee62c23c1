"""Who may reach the server through a browser, and who may not."""

import asyncio
from typing import Any

import httpx
import pytest

PAGE = "http://evil.example:11434"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,x-stainless-os",
}


async def test_a_page_that_rebinds_its_name_to_this_machine_is_refused(
    client: httpx.AsyncClient,
) -> None:
    # The browser asks for the page's name, which by now leads here; to it that is the same origin.
    for method in ("GET", "POST"):
        answer = await client.request(
            method, "/api/tags", headers={"host": "evil.example:11434", "origin": PAGE}
        )
        assert answer.status_code == 403
        assert "PUNA_HOSTS" in answer.json()["error"]
    assert (await client.get("/", headers={"host": "evil.example"})).status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        "localhost:11434",
        "127.0.0.1",
        "[::1]:11434",
        "192.168.1.7:11434",
        "nas.local",
        "ollama.localhost:80",
        "host.docker.internal:11434",
        "ollama:11434",
    ],
)
async def test_a_name_that_nobody_outside_can_have_is_let_in(
    client: httpx.AsyncClient, host: str
) -> None:
    assert (await client.get("/", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.notlocal",
        "evil.example.:11434",
        "[evil.example]:1",
        "evil.example:80:80",
    ],
)
async def test_a_name_that_only_looks_local_is_not(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/", headers={"host": host})).status_code == 403


async def test_of_two_hosts_both_must_be_known(client: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n")
    assert b" 403 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("https://127.0.0.1", 200),
        ("tauri://localhost", 200),
        ("vscode-webview://abc", 200),
        (PAGE, 403),
        ("http://localhost.evil.example", 403),
        ("http://localhost:80@evil.example", 403),
        ("chrome-extension://abc", 403),
        ("null", 403),
    ],
)
async def test_a_page_is_let_in_by_where_it_comes_from(
    client: httpx.AsyncClient, origin: str, status: int
) -> None:
    answer = await client.get("/api/version", headers={"origin": origin})
    assert answer.status_code == status
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == (origin if status == 200 else None)


async def test_a_page_of_the_server_itself_may_ask_it(client: httpx.AsyncClient) -> None:
    headers = {"host": "nas.local:11434", "origin": "http://nas.local:11434"}
    assert (await client.get("/", headers=headers)).status_code == 200


async def test_a_browser_that_asks_first_is_told_what_it_may(client: httpx.AsyncClient) -> None:
    headers = {"origin": "http://localhost:3000", **PREFLIGHT}
    answer = await client.options("/api/chat", headers=headers)
    assert answer.status_code == 200
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "x-stainless-os" in answer.headers["access-control-allow-headers"]
    refused = await client.options("/api/chat", headers=headers | {"origin": PAGE})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


async def test_settings_let_in_more_names_and_pages(serve: Any) -> None:
    names = "llm.example,*.llm.example"
    async with serve(hosts=names, origins="https://app.example,chrome-extension://*") as client:

        async def asked(**headers: str) -> int:
            return (await client.get("/", headers=headers)).status_code

        assert await asked(host="llm.example:11434") == 200
        assert await asked(host="eu.llm.example") == 200
        assert await asked(host="evil.example") == 403
        assert await asked(origin="https://app.example") == 200
        assert await asked(origin="chrome-extension://abc") == 200
        assert await asked(origin="http://app.example") == 403


async def test_a_star_lets_in_everybody(serve: Any) -> None:
    async with serve(hosts="*", origins="*") as client:
        headers = {"host": "any.example", "origin": "https://other.example"}
        assert (await client.get("/", headers=headers)).status_code == 200
