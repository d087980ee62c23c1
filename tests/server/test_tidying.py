"""A server with nothing else to do removes what no model needs."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from tests.models.hand_laid import age, lay_blob, lay_manifest
from tests.server.conftest import FAKE, configured, running

from puna.hosts.local import LocalHost
from puna.server import tidying
from puna.server.app import create_app

OLD = 100_000
OFTEN = 0.02
# Long enough for many turns of what should not happen.
A_WHILE = 0.5


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "models"


def lay_waste(store: Path) -> Path:
    file = store / "blobs" / lay_blob(store, b"waste").replace(":", "-")
    age(file, OLD)
    return file


async def until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not there():  # noqa: ASYNC110 - what is waited for is a file or a line
            await asyncio.sleep(0.01)


async def test_an_idle_server_removes_what_nobody_needs_and_says_so(
    serve: Any, store: Path
) -> None:
    waste = lay_waste(store)
    with capture_logs() as logs:
        async with serve(gc_interval=OFTEN):
            await until(lambda: not waste.exists())
            await until(lambda: any(line["event"].startswith("what nobody") for line in logs))
    (line,) = [line for line in logs if line["event"].startswith("what nobody")]
    assert (line["blobs"], line["partials"], line["bytes"]) == (1, 0, 5)


async def test_a_server_with_a_job_waits_until_it_has_ended(serve: Any, store: Path) -> None:
    hanging = {"model": "cria", "messages": [{"role": "user", "content": "pace 100000"}]}
    async with serve(gc_interval=OFTEN) as client:
        async with client.stream("POST", "/api/chat", json=hanging) as answer:
            # Held, since a reader that is gone ends the job.
            lines = answer.aiter_lines()
            assert await anext(lines)
            waste = lay_waste(store)
            await asyncio.sleep(A_WHILE)
            assert waste.exists()
            assert await anext(lines)
        await until(lambda: not waste.exists())


async def test_what_a_loaded_model_needs_stays_although_no_name_stands_for_it(
    serve: Any, store: Path, shape: Callable[[str], Path]
) -> None:
    async with serve(gc_interval=OFTEN) as client:
        files = {"parrot.gguf": lay_blob(store, shape("llama").read_bytes())}
        created = {"model": "parrot", "files": files, "stream": False}
        await client.post("/api/create", json=created)
        said = {"model": "parrot", "messages": [{"role": "user", "content": "echo one"}]}
        await client.post("/api/chat", json={**said, "keep_alive": -1})
        await client.request("DELETE", "/api/delete", json={"model": "parrot"})
        weights = max((store / "blobs").iterdir(), key=lambda file: file.stat().st_size)
        age(weights, OLD)
        waste = lay_waste(store)
        await until(lambda: not waste.exists())
        assert weights.exists()
    async with serve(gc_interval=OFTEN):
        await until(lambda: not weights.exists())


async def test_a_store_in_disorder_is_told_of_and_left_alone(serve: Any, store: Path) -> None:
    waste = lay_waste(store)
    broken = lay_manifest(store, "registry.ollama.ai/library/m/latest", b"{")
    with capture_logs() as logs:
        async with serve(gc_interval=OFTEN) as client:
            await until(lambda: any(line["log_level"] == "warning" for line in logs))
            assert waste.exists()
            assert (await client.get("/")).status_code == 200
            broken.unlink()
            await until(lambda: not waste.exists())
    told = next(line for line in logs if line["log_level"] == "warning")
    assert "library/m/latest" in told["error"]


async def test_how_often_can_be_changed_while_the_server_runs(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "LOOK_SECONDS", OFTEN)
    configuration = configured(tmp_path, gc_interval=0)
    app = create_app(configuration, LocalHost(lambda _: None, command=FAKE))
    waste = lay_waste(store)
    async with running(app) as address, httpx.AsyncClient(base_url=address, timeout=60) as client:
        await client.get("/")
        await asyncio.sleep(A_WHILE)
        assert waste.exists()
        configuration.settings.gc_interval = OFTEN
        await until(lambda: not waste.exists())
