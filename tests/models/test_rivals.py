"""Several processes on one store do each other no harm."""

import os
import subprocess
import sys
from pathlib import Path

from tests.models import rival
from tests.models.hand_laid import age, tiny

from puna.models.library import Library
from puna.models.soundness import faults
from puna.models.store import Store


def start(store: Store, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, rival.__file__, str(store.root), *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_two_processes_create_while_a_third_collects_and_nothing_is_lost(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    file, end = tiny(tmp_path / "m.gguf"), tmp_path / "end"
    # All that will be needed lies there already, old and unneeded: what a collection looks for.
    laid = [store.blobs.add_file(file)]
    laid += [
        store.blobs.add(rival.words(number, place).encode())
        for number in (1, 2)
        for place in range(rival.MODELS)
    ]
    waste = [store.blobs.add(f"Waste {number}".encode()) for number in range(50)]
    for one in (*laid, *waste):
        age(store.blobs.path(one), 100_000)
    collector = start(store, "collect", str(end))
    creators = [start(store, "create", str(file), str(number)) for number in (1, 2)]
    try:
        assert [one.wait() for one in creators] == [0, 0]
        end.touch()
        assert collector.wait() == 0
    finally:
        for one in (collector, *creators):
            one.kill()
            one.wait()
    library = Library(store)
    assert faults(store) == []
    for number in (1, 2):
        for place in range(rival.MODELS):
            assert library.find(f"m{number}:{place}").system == rival.words(number, place)
    # Each change of the name that both changed is in its history.
    assert len(library.history("shared")) == 2 * rival.MODELS
    assert not set(waste) & set(store.blobs.all())
