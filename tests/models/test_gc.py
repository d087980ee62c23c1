"""Collecting what nobody needs, and never what somebody does."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from tests.models.hand_laid import age, digest, lay_blob, lay_manifest, manifest

from puna.errors import BadModelFile, StoreDamaged, StoreUnwritable
from puna.models.gc import STALE_SECONDS, collect, survey
from puna.models.names import Name
from puna.models.soundness import faults
from puna.models.store import Store

OLD = 100_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def lay(store: Store, data: bytes, seconds: float = OLD) -> str:
    name = lay_blob(store.root, data)
    age(store.blobs.path(name), seconds)
    return name


def test_a_survey_says_what_a_collection_does(store: Store) -> None:
    kept = manifest(store.root, {"model": b"GGUF", "system": b"kept"})
    lay_manifest(store.root, "registry.ollama.ai/library/m/latest", kept)
    for path in store.blobs.entries():
        age(path, OLD)
    waste, used = lay(store, b"waste"), lay(store, b"used")
    young = lay(store, b"young", 10)
    before = set(store.blobs.all())
    found = survey(store, lambda: {used})
    assert (found.blobs, found.partials, found.bytes) == ((waste,), (), 5)
    assert set(store.blobs.all()) == before
    assert collect(store, lambda: {used}) == found
    assert set(store.blobs.all()) == before - {waste}
    assert collect(store, lambda: {used}, grace=1).blobs == (young,)
    assert faults(store) == []


def test_what_is_in_use_is_asked_while_nobody_else_can_change_the_store(store: Store) -> None:
    held: list[bool] = []

    def in_use() -> set[str]:
        with (store.own / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.append(True)
        return set()

    collect(store, in_use)
    assert held == [True]


def test_a_partial_is_in_use_while_its_writer_lives(store: Store) -> None:
    with store.blobs.upload() as upload:
        upload.write(b"half")
        path = next(iter(store.blobs.folder.iterdir()))
        age(path, OLD)
        assert collect(store).partials == ()
        assert upload.commit() == digest(b"half")


def test_a_partial_whose_writer_was_killed_is_collected_at_once(store: Store) -> None:
    script = (
        "import os, signal, sys, pathlib\n"
        "from puna.models.store import Store\n"
        "upload = Store(pathlib.Path(sys.argv[1])).blobs.upload()\n"
        "upload.write(b'half')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(store.root)], check=False)
    (left,) = store.blobs.folder.iterdir()
    assert survey(store).partials == (left,)
    assert list(store.blobs.all()) == []
    assert collect(store).bytes == 4
    assert store.blobs.entries() == []


def test_what_ollama_left_half_done_is_given_time(store: Store) -> None:
    store.blobs.folder.mkdir(parents=True)
    left = [
        store.blobs.folder / f"{digest(b'x').replace(':', '-')}-partial-0",
        store.blobs.folder / "sha256-4242",
    ]
    stranger = store.blobs.folder / "notes.txt"
    for path in (*left, stranger):
        path.write_bytes(b"1234")
        age(path, OLD)
    assert collect(store).partials == ()
    for path in (*left, stranger):
        age(path, STALE_SECONDS)
    assert set(collect(store).partials) == set(left)
    assert stranger.exists()


def test_nothing_is_collected_where_something_cannot_be_understood(store: Store) -> None:
    lay(store, b"waste")
    path = lay_manifest(store.root, "registry.ollama.ai/library/m/latest", b"{")
    with pytest.raises(BadModelFile, match="library/m/latest"):
        collect(store)
    with store.change() as change:
        change.remove(Name("m"))
    assert not path.exists()
    (store.root / "manifests-v2").mkdir()
    with pytest.raises(StoreDamaged, match="newer layout"):
        collect(store)
    (store.root / "manifests-v2").rmdir()
    assert len(collect(store).blobs) == 1


def test_a_manifest_counts_wherever_it_lies(store: Store) -> None:
    for name in ("registry.ollama.ai/ns/skill/m/latest", "not a host/ns/m/latest", "one"):
        lay_manifest(store.root, name, manifest(store.root, {"model": name.encode()}))
    for path in store.blobs.entries():
        age(path, OLD)
    assert collect(store).blobs == ()


def test_what_cannot_be_removed_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    waste = lay(store, b"waste")

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StoreUnwritable, match=f"{waste[7:]} cannot be written: Permission denied"):
        collect(store)


def test_an_empty_store_has_nothing_to_collect(store: Store) -> None:
    assert survey(store).bytes == 0
    assert not store.root.exists()
    assert collect(store).bytes == 0
