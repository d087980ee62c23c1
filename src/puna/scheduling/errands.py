"""Short questions to a runner that are no jobs: what text a prompt is, or that it be loaded."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from puna.errors import PunaError
from puna.hosts.host import Wish
from puna.runners.runner import Runner
from puna.scheduling.table import Table
from puna.scheduling.wishes import errand_of


class Errands:
    """The errands that have not ended."""

    def __init__(self, table: Table, touch: Callable[[], None]) -> None:
        self._table = table
        self._touch = touch
        self._waiting: dict[str, asyncio.Future[Runner | PunaError]] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._waiting

    @asynccontextmanager
    async def runner(
        self, wish: Wish, keep_alive: float | None = None, context: int = 0
    ) -> AsyncGenerator[Runner]:
        """The runner of this wish, loaded if it must be, which stays for as long as it is used."""
        id = f"errand-{uuid4().hex}"
        self._table.arrive(errand_of(id, wish, keep_alive, context), time.monotonic())
        future = self._waiting[id] = asyncio.get_running_loop().create_future()
        self._touch()
        try:
            found = await future
            if isinstance(found, PunaError):
                raise found.with_traceback(None)
            yield found
        finally:
            del self._waiting[id]
            self._table.leave(id, time.monotonic())
            self._touch()

    def begin(self, id: str, runner: Runner) -> None:
        """An errand has got its runner."""
        self._answer(id, runner)

    def refuse(self, id: str, error: PunaError) -> None:
        """An errand will not get a runner."""
        self._answer(id, error)

    def refuse_all(self, error: PunaError) -> None:
        """No errand will get a runner any more."""
        for id in self._waiting:
            self._answer(id, error)

    def _answer(self, id: str, answer: Runner | PunaError) -> None:
        future = self._waiting[id]
        if not future.done():
            future.set_result(answer)
