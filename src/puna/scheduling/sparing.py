"""A look through the store for what nobody needs, that spares what the scheduler has in use."""

import asyncio
from collections.abc import Callable

from puna.models.gc import InUse, Waste
from puna.models.store import Store
from puna.scheduling.scheduler import Scheduler

# The loop answers at once, unless it has come to its end.
ANSWER_SECONDS = 30.0


async def sparing(
    act: Callable[[Store, InUse], Waste], store: Store, scheduler: Scheduler
) -> Waste:
    """Survey or collect, in a thread; what is in use is asked when the store is already held.

    What is asked for before that may be in use by then, and what is asked for after that is found
    by its name or not at all.
    """
    loop = asyncio.get_running_loop()

    async def told() -> set[str]:
        return scheduler.in_use

    def in_use() -> set[str]:
        return asyncio.run_coroutine_threadsafe(told(), loop).result(ANSWER_SECONDS)

    return await asyncio.to_thread(act, store, in_use)
