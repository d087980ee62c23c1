"""Puna's own API: a name's revisions, and what no model needs any more."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.models.hand_laid import age, lay_blob
from tests.server.conftest import FAKE, configured, running

from puna.hosts.local import LocalHost
from puna.models.builtin_model import builtin_model
from puna.server.app import create_app

OLD = 100_000


@pytest.fixture
async def client(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(configured(tmp_path), LocalHost(lambda _: None, command=FAKE))
    async with running(app) as address, httpx.AsyncClient(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "models"


async def create(client: httpx.AsyncClient, name: str, system: str) -> None:
    asked = {"model": name, "from": "cria", "system": system, "stream": False}
    assert (await client.post("/api/create", json=asked)).json() == {"status": "success"}


async def history(client: httpx.AsyncClient, name: str) -> list[dict[str, Any]]:
    return (await client.get(f"/puna/v1/models/{name}/history")).json()["revisions"]


async def system(client: httpx.AsyncClient, name: str) -> str:
    return (await client.post("/api/show", json={"model": name})).json()["system"]


async def collected(client: httpx.AsyncClient, **asked: bool) -> dict[str, Any]:
    return (await client.post("/puna/v1/gc", json=asked)).json()


async def test_a_name_goes_back_to_what_it_stood_for_and_forth_again(
    client: httpx.AsyncClient,
) -> None:
    for words in ("one", "two"):
        await create(client, "ns/parrot:small", words)
    two, one = await history(client, "ns/parrot:small")
    assert (two["current"], one["current"]) == (True, False)
    assert (two["until"], one["since"] < one["until"] <= two["since"]) == (None, True)
    assert one["size"] > builtin_model().size
    rolled = await client.post(
        "/puna/v1/models/ns/parrot:small/rollback", json={"revision": one["digest"][:12]}
    )
    assert rolled.json() == {"model": "ns/parrot:small", "digest": one["digest"]}
    assert await system(client, "ns/parrot:small") == "one"
    assert [each["digest"] for each in await history(client, "ns/parrot:small")] == [
        one["digest"],
        two["digest"],
    ]
    assert await system(client, f"ns/parrot:small@sha256:{two['digest']}") == "two"


async def test_the_built_in_model_stands_for_itself_until_it_is_hidden(
    client: httpx.AsyncClient,
) -> None:
    (only,) = await history(client, "cria")
    assert (only["digest"], only["current"]) == (builtin_model().digest, True)
    # To go back to what it is, is as good as done.
    to_itself = {"revision": only["digest"][:7]}
    rolled = await client.post("/puna/v1/models/cria/rollback", json=to_itself)
    assert rolled.json() == {"model": "cria:latest", "digest": only["digest"]}
    assert await history(client, "cria") == [only]
    await client.request("DELETE", "/api/delete", json={"model": "cria"})
    assert (await client.get("/puna/v1/models/cria/history")).status_code == 404
    told = await client.post("/puna/v1/models/cria/reveal")
    assert told.json() == {"model": "cria:latest"}
    assert await history(client, "cria") == [only]


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("nope/rollback", {"revision": "0123456"}, 404, "no revision 0123456"),
        ("nope/rollback", {"revision": "../etc"}, 400, "not a model's name"),
        ("nope/rollback", {}, 400, "revision: Field required"),
        ("nope/rollback", {"revision": "0123456", "now": 1}, 400, "now: Extra inputs"),
        ("nope/reveal", {}, 404, "nope:latest does not come with Puna"),
        ("%2e%2e/%2e%2e/x/rollback", {"revision": "0123456"}, 400, "not a model's name"),
    ],
)
async def test_what_cannot_be_done_is_said(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, told: str
) -> None:
    answer = await client.post(f"/puna/v1/models/{path}", json=body)
    assert answer.status_code == status
    assert told in answer.json()["error"]


async def test_a_model_that_is_unknown_has_no_history(client: httpx.AsyncClient) -> None:
    answer = await client.get("/puna/v1/models/nope/history")
    assert answer.status_code == 404
    assert "'nope:latest' was not found" in answer.json()["error"]


async def test_nothing_is_removed_unless_it_is_asked_for(
    client: httpx.AsyncClient, store: Path
) -> None:
    waste = lay_blob(store, b"waste")
    file = store / "blobs" / waste.replace(":", "-")
    age(file, OLD)
    found = {"blobs": [waste], "partials": [], "bytes": 5, "removed": False}
    assert (await client.post("/puna/v1/gc")).json() == found
    assert await collected(client) == found
    assert file.exists()
    refused = await client.post("/puna/v1/gc", json={"dry_run": "no"})
    assert refused.status_code == 400
    assert await collected(client, dry_run=False) == {**found, "removed": True}
    assert not file.exists()


async def test_a_blob_that_was_asked_for_stays_for_a_while(
    client: httpx.AsyncClient, store: Path
) -> None:
    for number, ask in enumerate((client.head, client.post)):
        offered = lay_blob(store, b"%d" % number)
        age(store / "blobs" / offered.replace(":", "-"), OLD)
        assert (await ask(f"/api/blobs/{offered}")).status_code == 200
    assert (await collected(client, dry_run=False))["blobs"] == []


async def test_what_a_loaded_model_needs_is_removed_only_when_it_has_gone(
    client: httpx.AsyncClient, store: Path, shape: Callable[[str], Path]
) -> None:
    size = shape("llama").stat().st_size
    files = {"parrot.gguf": lay_blob(store, shape("llama").read_bytes())}
    created = {"model": "parrot", "files": files, "system": "I repeat.", "stream": False}
    await client.post("/api/create", json=created)
    asked = {"model": "parrot", "messages": [{"role": "user", "content": "pace 100000"}]}
    async with client.stream("POST", "/api/chat", json={**asked, "keep_alive": 0}) as answer:
        # Held, since a reader that is gone ends the job.
        lines = answer.aiter_lines()
        assert await anext(lines)
        await client.request("DELETE", "/api/delete", json={"model": "parrot"})
        weights = max((store / "blobs").iterdir(), key=lambda file: file.stat().st_size)
        for file in (store / "blobs").iterdir():
            age(file, OLD)
        # The words of the model are told to the runner with the job: they may go at once.
        assert (await collected(client, dry_run=False))["bytes"] > 0
        assert list((store / "blobs").iterdir()) == [weights]
        assert await anext(lines)
    async with asyncio.timeout(60):
        # The runner's process takes a moment to end.
        while not (removed := await collected(client, dry_run=False))["blobs"]:
            pass
    assert removed["bytes"] == size
    assert not weights.exists()
