"""A server whose runners are fake engines."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from puna.events import Event
from puna.hosts.host import LocalHost
from puna.server.app import create_app
from puna.server.serving import listen
from puna.settings import Settings

FAKE = (sys.executable, str(Path(__file__).parents[1] / "fake_engine.py"))


@asynccontextmanager
async def serving(events: list[Event]) -> AsyncGenerator[str]:
    """A server in this very process, by its address."""
    listener = listen("127.0.0.1", 0)
    app = create_app(Settings(), LocalHost(events.append, command=FAKE))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
async def client(events: list[Event]) -> AsyncGenerator[httpx.AsyncClient]:
    async with serving(events) as address, httpx.AsyncClient(base_url=address) as client:
        yield client
