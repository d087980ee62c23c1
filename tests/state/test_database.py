"""The database: sound when it is opened, whatever lies there, and never in the way."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from puna.state.store import APPLICATION, MIGRATIONS, Store, opened, version_of


def tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return {name for (name,) in rows}


def lies_aside(folder: Path) -> list[Path]:
    return sorted(folder.glob("state.db.unusable-*"))


def test_a_new_database_is_up_to_date_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "state.db"
    with opened(path) as connection:
        assert version_of(connection) == len(MIGRATIONS)
        assert tables(connection) == {"jobs"}
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert path.stat().st_mode & 0o077 == 0


def test_one_that_is_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with opened(path) as first:
        first.execute("INSERT INTO jobs VALUES ('a', 1, '{}')")
    with opened(path) as again:
        assert again.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
    assert lies_aside(tmp_path) == []


def test_a_file_that_is_no_database_is_set_aside_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state.db"
    path.write_text("I am a diary, and " * 1000)
    with opened(path) as connection:
        assert tables(connection) == {"jobs"}
    (aside,) = lies_aside(tmp_path)
    assert aside.read_text().startswith("I am a diary")
    assert str(aside) in capsys.readouterr().out


def test_a_damaged_database_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with opened(path) as connection:
        rows = [(str(number), number, "{}" * 100) for number in range(1000)]
        connection.executemany("INSERT INTO jobs VALUES (?, ?, ?)", rows)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = bytearray(path.read_bytes())
    whole[5000:60_000] = bytes(55_000)
    path.write_bytes(whole)
    with opened(path) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    assert len(lies_aside(tmp_path)) == 1


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE bookmarks (url TEXT);",
        f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 1000;",
    ],
)
def test_anothers_database_and_a_later_versions_are_set_aside(tmp_path: Path, script: str) -> None:
    path = tmp_path / "state.db"
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    with opened(path) as ours:
        assert tables(ours) == {"jobs"}
    assert len(lies_aside(tmp_path)) == 1


def test_a_database_that_is_in_use_is_not_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    first, second = opened(path), opened(path)
    first.execute("INSERT INTO jobs VALUES ('a', 1, '{}')")
    first.commit()
    assert second.execute("SELECT id FROM jobs").fetchall() == [("a",)]
    assert lies_aside(tmp_path) == []


async def test_what_was_told_is_written_before_what_is_asked_later(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.open()
    for number in range(100):
        store.tell(lambda db, id=str(number): _insert(db, id))
    count = await store.ask(lambda db: db.execute("SELECT count(*) FROM jobs").fetchone()[0])
    assert count == 100
    await store.close()


async def test_what_was_told_is_written_before_the_store_is_closed(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.open()
    for number in range(100):
        store.tell(lambda db, id=str(number): _insert(db, id))
    await store.close()
    with opened(tmp_path / "state.db") as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (100,)


async def test_the_loop_goes_on_while_the_disk_is_slow(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.open()
    turned = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_: sqlite3.Connection) -> bool:
        # Only a loop that goes on can answer this.
        return asyncio.run_coroutine_threadsafe(_turn(turned), loop).result(60)

    assert await store.ask(slow)
    await store.close()


async def test_what_cannot_be_written_is_logged_and_harms_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "state.db")
    store.open()
    store.tell(lambda db: db.execute("INSERT INTO nowhere VALUES (1)") and None)
    store.tell(lambda db: _insert(db, "a"))
    assert await store.ask(lambda db: db.execute("SELECT id FROM jobs").fetchall()) == [("a",)]
    await store.close()
    assert "was not written" in capsys.readouterr().out


def _insert(db: sqlite3.Connection, id: str) -> None:
    db.execute("INSERT INTO jobs VALUES (?, 1, '{}')", (id,))


async def _turn(event: asyncio.Event) -> bool:
    event.set()
    return True
