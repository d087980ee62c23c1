"""Removes now and then, while the server has nothing else to do, what no model needs any more."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from puna.models.gc import collect
from puna.models.library import Library
from puna.records import ENDED
from puna.scheduling.scheduler import Scheduler
from puna.scheduling.sparing import sparing
from puna.settings import Settings

LOOK_SECONDS = 10.0
_log = structlog.get_logger("puna.store")


@asynccontextmanager
async def tidying(
    library: Library, scheduler: Scheduler, settings: Settings
) -> AsyncGenerator[None]:
    """Tidy up every `gc_interval` in this block; what is due waits until the server is idle."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(_tidy_on(library, scheduler, settings))
        yield
        task.cancel()


async def _tidy_on(library: Library, scheduler: Scheduler, settings: Settings) -> None:
    last = time.monotonic()
    while True:
        # The interval may change at any time, so it is looked at more often than it passes.
        await asyncio.sleep(min(LOOK_SECONDS, settings.gc_interval or LOOK_SECONDS))
        due = 0 < settings.gc_interval <= time.monotonic() - last
        if due and _is_idle(scheduler):
            await _tidy(library, scheduler)
            last = time.monotonic()


def _is_idle(scheduler: Scheduler) -> bool:
    return all(job.phase in ENDED for job in scheduler.jobs())


async def _tidy(library: Library, scheduler: Scheduler) -> None:
    try:
        waste = await sparing(collect, library.store, scheduler)
    except Exception as error:  # noqa: BLE001 - a store in disorder is no reason to serve nobody
        _log.warning("what nobody needs was not removed", error=str(error))
        return
    if waste.blobs or waste.partials:
        _log.info(
            "what nobody needs was removed",
            blobs=len(waste.blobs), partials=len(waste.partials), bytes=waste.bytes,
        )  # fmt: skip
