"""Which blobs of the store must stay: those that runners hold, or that jobs wait for."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from tests.scheduling.fakes import GIB, FakeHost, collect, job

from puna.models.library import Library
from puna.models.model import Model
from puna.models.names import Name
from puna.scheduling.scheduler import Scheduler
from puna.settings import Settings

BLOBS = Path("/store/blobs")


def blob(letter: str) -> str:
    return f"sha256:{letter * 64}"


def file(letter: str) -> Path:
    return BLOBS / blob(letter).replace(":", "-")


class Shelf:
    """A library of models that are made of blobs: weights, a projector and an adapter."""

    def find(self, name: str) -> Model:
        weights, projector, adapter = name
        return Model(
            Name(name), name, (file(weights),), 1, datetime.now(UTC),
            projector=file(projector), adapters=(file(adapter),),
        )  # fmt: skip


async def test_what_is_loaded_and_what_is_waited_for_is_in_use_until_it_has_gone() -> None:
    host, settings = FakeHost(GIB), Settings(reserve=0)
    async with Scheduler(cast(Library, Shelf()), host, settings) as server:
        assert server.in_use == set()
        loaded, awaited = {blob(one) for one in "abc"}, {blob(one) for one in "def"}
        async with aclosing(server.run(job("pace 100000", "1", "abc"))) as running:
            await anext(running)
            assert server.in_use == loaded
            # There is no room for it beside the other.
            waiting = asyncio.create_task(collect(server.run(job("echo", "2", "def"))))
            while server.job("2") is None:  # noqa: ASYNC110 - it comes within a few turns of the loop
                await asyncio.sleep(0)
            assert server.in_use == loaded | awaited
        await waiting
        assert server.in_use == awaited


async def test_what_lies_outside_of_the_store_is_no_blob(tmp_path: Path) -> None:
    class Elsewhere:
        def find(self, name: str) -> Model:
            return Model(Name(name), name, (tmp_path / "a.gguf",), 1, datetime.now(UTC))

    async with Scheduler(cast(Library, Elsewhere()), FakeHost(GIB), Settings(reserve=0)) as server:
        await collect(server.run(job("echo", "1", "a")))
        assert len(server.residents) == 1
        assert server.in_use == set()
