"""The database: one SQLite file in the home, opened, brought up to date, and used by one thread.

What is asked of it waits for its turn on that thread, so the loop never waits for a disk.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import structlog

Answer = TypeVar("Answer")

# "puna" in the file's header: whose a database is.
APPLICATION = 0x70756E61
# Each brings the database from one version to the next; what is here is never changed, only added.
MIGRATIONS = (
    """
    CREATE TABLE jobs (id TEXT PRIMARY KEY, ended REAL NOT NULL, record TEXT NOT NULL)
        WITHOUT ROWID;
    CREATE INDEX jobs_by_end ON jobs (ended);
    """,
)
BUSY_SECONDS = 5.0

_log = structlog.get_logger("puna.state")


class _Foreign(sqlite3.DatabaseError):
    """The file is a database, but not one that this version knows."""


class Store:
    """A database that is open between `open` and `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Have the database opened; one that is of no use is set aside, and a new one made."""
        self._thread = ThreadPoolExecutor(1, "puna-state")
        self.tell(lambda _: None)

    async def ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What a function finds out in the database."""
        return await asyncio.wrap_future(self._submit(question))

    def tell(self, act: Callable[[sqlite3.Connection], None]) -> None:
        """Have something written in its turn; what goes wrong is logged."""
        self._submit(act).add_done_callback(_complain)

    async def close(self) -> None:
        """Write what is still to be written, and close."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.wrap_future(thread.submit(self._close))
            thread.shutdown()

    def _submit(self, work: Callable[[sqlite3.Connection], Answer]) -> "Future[Answer]":
        if self._thread is None:
            raise RuntimeError("The store is not open.")
        return self._thread.submit(self._work, work)

    def _work(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        if self._connection is None:
            self._connection = opened(self._path)
        with self._connection as transaction:
            return work(transaction)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def opened(path: Path) -> sqlite3.Connection:
    """A connection to the database there, which is a sound one of this version."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _connect(path)
    except sqlite3.OperationalError:
        # It is locked, or the disk is full: nothing that a new file would mend.
        raise
    except sqlite3.DatabaseError as error:
        aside = _set_aside(path)
        _log.error("the state's database was of no use", why=str(error), set_aside=str(aside))
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        _check(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may cost the last records, never the database.
        connection.execute("PRAGMA synchronous = NORMAL")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    path.chmod(0o600)
    return connection


def _check(connection: sqlite3.Connection) -> None:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and owner != APPLICATION:
        raise _Foreign("It belongs to another application.")
    if version_of(connection) > len(MIGRATIONS):
        raise _Foreign("A later version of Puna has written it.")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"It is damaged: {verdict}.")


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations a database has seen."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return version


def _migrate(connection: sqlite3.Connection) -> None:
    # Another server may do the same at this moment; only one of them finds it undone.
    for version in range(version_of(connection), len(MIGRATIONS)):
        with closing(connection.cursor()) as cursor:
            cursor.executescript(
                f"BEGIN IMMEDIATE; {MIGRATIONS[version]} PRAGMA application_id = {APPLICATION};"
                f" PRAGMA user_version = {version + 1}; COMMIT;"
            )


def _set_aside(path: Path) -> Path:
    """Move a database out of the way, with the files that belong to it."""
    aside = path.with_name(f"{path.name}.unusable-{time.strftime('%Y%m%dT%H%M%S')}")
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside


def _complain(done: "Future[None]") -> None:
    error = None if done.cancelled() else done.exception()
    if error is not None:
        _log.error("something was not written to the state", why=str(error))
