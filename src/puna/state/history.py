"""The jobs that have ended: remembered for a while, bounded in number and age."""

import asyncio
import sqlite3
import time
from typing import Self

import msgspec
import structlog

from puna.records import JobRecord
from puna.settings import Settings
from puna.state.store import Store

FILE = "state.db"
GATHERING_SECONDS = 0.25

_log = structlog.get_logger("puna.state")


class History:
    """An asynchronous context, inside of which ended jobs are remembered and found again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.home / FILE)
        self._unwritten: list[JobRecord] = []
        self._soon: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._store.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._write()
        await self._store.close()

    def remember(self, record: JobRecord) -> None:
        """Keep a record; it is written soon, with those that come meanwhile."""
        self._unwritten.append(record)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(GATHERING_SECONDS, self._write)

    def _write(self) -> None:
        if self._soon is None:
            return
        self._soon.cancel()
        self._soon = None
        records, self._unwritten = self._unwritten, []
        most, oldest = self._settings.history_jobs, time.time() - self._settings.history_age

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)", map(_row, records)
            )
            connection.execute("DELETE FROM jobs WHERE ended < ?", (oldest,))
            connection.execute(
                "DELETE FROM jobs WHERE id IN"
                " (SELECT id FROM jobs ORDER BY ended DESC LIMIT -1 OFFSET ?)",
                (most,),
            )

        self._store.tell(write)

    async def find(self, id: str) -> JobRecord | None:
        """The record of one job."""
        found = await self._records("WHERE id = ?", (id,))
        return found[0] if found else None

    async def latest(self, most: int) -> list[JobRecord]:
        """The records of the jobs that ended last, the latest first."""
        return await self._records("ORDER BY ended DESC LIMIT ?", (most,))

    async def _records(self, which: str, values: tuple[object, ...]) -> list[JobRecord]:
        def read(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(f"SELECT record FROM jobs {which}", values).fetchall()
            return [record for (record,) in rows]

        self._write()
        return [one for text in await self._store.ask(read) if (one := _record(text)) is not None]


def _row(record: JobRecord) -> tuple[str, float, str]:
    ended = time.time() if record.ended is None else record.ended
    return record.id, ended, msgspec.json.encode(record).decode()


def _record(text: str) -> JobRecord | None:
    try:
        return msgspec.json.decode(text, type=JobRecord)
    except msgspec.ValidationError as error:
        # Another version wrote it; it goes with time.
        _log.debug("a record was passed over", why=str(error))
        return None
