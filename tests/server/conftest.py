"""A server whose runners are fake engines."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from puna.configuration import Configuration
from puna.events import Event
from puna.hosts.local import LocalHost
from puna.server.app import create_app
from puna.server.connection import Connection
from puna.server.listening import listen
from puna.settings import Settings

FAKE = (sys.executable, str(Path(__file__).parents[1] / "fake_engine.py"))


def configured(home: Path, **settings: Any) -> Configuration:
    """A configuration that nothing of this machine is in."""
    return Configuration({"home": home, **settings}, Path(os.devnull), {})


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncGenerator[str]:
    """An application served in this very process, by its address."""
    with listen(Settings(port=0)) as listener:
        config = uvicorn.Config(app, http=Connection, ws="none", log_config=None)
        server = uvicorn.Server(config)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True


Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


async def leave_midway(client: httpx.AsyncClient, asked: dict[str, Any]) -> None:
    """Ask, and hang up once a runner works at it."""
    id = uuid4().hex
    request = client.post("/api/chat", json=asked, headers={"x-request-id": id})
    asking = asyncio.create_task(request)
    progress: dict[str, Any] = {}
    while progress.get("phase") != "generating":
        assert not asking.done()
        progress = (await client.get(f"/api/progress/{id}")).json()
    asking.cancel()
    await asyncio.wait([asking])


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def serve(events: list[Event], tmp_path: Path) -> Serve:
    """Starts a server with the settings that are given, for a client of it."""

    @asynccontextmanager
    async def serving(**settings: Any) -> AsyncGenerator[httpx.AsyncClient]:
        app = create_app(configured(tmp_path, **settings), LocalHost(events.append, command=FAKE))
        # A busy machine may take its time to start a runner.
        async with (
            running(app) as address,
            httpx.AsyncClient(base_url=address, timeout=60) as client,
        ):
            yield client

    return serving


@pytest.fixture
async def client(serve: Serve) -> AsyncGenerator[httpx.AsyncClient]:
    async with serve() as client:
        yield client
