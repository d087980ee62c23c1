"""A scheduler with the real engine, unless a file's tests have one of their own."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.scheduling.fakes import FakeHost, Gate, scheduler

from puna.runners.runner import COMMAND
from puna.scheduling.scheduler import Scheduler


@pytest.fixture
def host() -> FakeHost:
    return FakeHost(command=COMMAND)


@pytest.fixture
async def server(host: FakeHost) -> AsyncGenerator[Scheduler]:
    # Nothing is guessed, so that each token is a step in whose midst there can be a kill.
    async with scheduler(
        host, threads=1, context=1024, sequences=4, batch=128, speculate=False
    ) as server:
        yield server
    assert host.alive == []


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "open")
