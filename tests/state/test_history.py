"""Ended jobs are remembered: over a restart, and no more or longer than is asked for."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from puna.errors import EngineFailed
from puna.records import JobRecord
from puna.settings import Settings
from puna.state.history import FILE, History


def record(id: str, ended: float | None = None, **more: Any) -> JobRecord:
    now = time.time()
    return JobRecord(
        id=id,
        principal="local",
        model="cria",
        dialect="ollama",
        kind="chat",
        priority="normal",
        phase="done",
        arrived=now,
        ended=now if ended is None else ended,
        **more,
    )


async def test_a_record_is_found_again_after_a_restart_as_it_was(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    whole = record("a", output_tokens=7, error=EngineFailed("It broke.", "Mend it.").report())
    async with History(settings) as history:
        history.remember(whole)
    async with History(settings) as history:
        assert await history.find("a") == whole
        assert await history.find("b") is None


async def test_the_latest_come_first(tmp_path: Path) -> None:
    now = time.time()
    async with History(Settings(home=tmp_path)) as history:
        for id, ago in (("old", 30), ("new", 10), ("middle", 20)):
            history.remember(record(id, now - ago))
        assert [one.id for one in await history.latest(2)] == ["new", "middle"]


async def test_no_more_are_kept_than_asked_for(tmp_path: Path) -> None:
    now = time.time()
    async with History(Settings(home=tmp_path, history_jobs=3)) as history:
        for number in range(10):
            history.remember(record(str(number), now - 100 + number))
        assert [one.id for one in await history.latest(100)] == ["9", "8", "7"]


async def test_none_is_kept_longer_than_asked_for(tmp_path: Path) -> None:
    now = time.time()
    settings = Settings(home=tmp_path, history_age=60)
    async with History(settings) as history:
        history.remember(record("old", now - 59))
        assert [one.id for one in await history.latest(100)] == ["old"]
        settings.renew(Settings(home=tmp_path, history_age=30))
        history.remember(record("new", now))
        assert [one.id for one in await history.latest(100)] == ["new"]


async def test_a_record_that_this_version_cannot_read_is_passed_over(tmp_path: Path) -> None:
    async with History(Settings(home=tmp_path)) as history:
        history.remember(record("a"))
        history.remember(record("b"))
        with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
            await history.latest(1)
            database.execute("UPDATE jobs SET record = '{}' WHERE id = 'a'")
        assert [one.id for one in await history.latest(100)] == ["b"]


async def test_a_record_is_written_soon_though_nobody_asks_for_it(tmp_path: Path) -> None:
    async with History(Settings(home=tmp_path)) as history:
        assert await history.latest(1) == []
        history.remember(record("a"))
        with closing(sqlite3.connect(tmp_path / FILE)) as database:
            async with asyncio.timeout(30):
                written: list[Any] = []
                while not written:
                    await asyncio.sleep(0.01)
                    written = database.execute("SELECT id FROM jobs").fetchall()
        assert written == [("a",)]
