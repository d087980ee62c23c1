"""Takes a job to a runner: one runner for each model, loaded when first asked for, then kept."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import dataclass
from typing import Self

import msgspec

from puna.hosts.host import Host
from puna.jobs import Delta, DoneDelta, Job
from puna.models.library import Library, Model
from puna.protocol import Load
from puna.runners.runner import Runner
from puna.settings import Settings


@dataclass(frozen=True, slots=True)
class Resident:
    """A loaded model and its runner."""

    model: Model
    runner: Runner


class Scheduler:
    """Which job runs where. An asynchronous context: leaving it ends every runner."""

    def __init__(self, library: Library, host: Host, settings: Settings) -> None:
        self._library = library
        self._host = host
        self._settings = settings
        # Keyed by what is loaded, so that two names of the same files share a runner.
        self._residents: dict[Load, Resident] = {}
        self._loading: defaultdict[Load, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        residents, self._residents = self._residents, {}
        async with asyncio.TaskGroup() as group:
            for resident in residents.values():
                group.create_task(resident.runner.unload())

    @property
    def residents(self) -> list[Resident]:
        """Every loaded model."""
        return [one for one in self._residents.values() if one.runner.alive]

    async def run(self, job: Job) -> AsyncGenerator[list[Delta]]:
        """The job's deltas in batches, each what has come since the last; closing it cancels."""
        arrived = time.monotonic()
        resident = await self._resident(self._library.find(job.model))
        loaded = time.monotonic()
        with closing(resident.runner.submit(job)) as stream:
            async for batch in stream:
                if isinstance(done := batch[-1], DoneDelta):
                    usage = msgspec.structs.replace(
                        done.usage,
                        load_seconds=loaded - arrived,
                        total_seconds=time.monotonic() - arrived,
                    )
                    batch[-1] = msgspec.structs.replace(done, usage=usage)
                yield batch

    async def _resident(self, model: Model) -> Resident:
        load = Load(
            weights=tuple(str(path) for path in model.weights),
            placement=self._settings.placement,
            pace=self._settings.pace,
        )
        async with self._loading[load]:
            resident = self._residents.get(load)
            if resident is None or not resident.runner.alive:
                runner = await self._host.start(load, self._settings.load_timeout)
                resident = self._residents[load] = Resident(model, runner)
        return resident
