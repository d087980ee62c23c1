"""Killed at any point, the store stays sound, and whoever comes next goes on with it."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.models import mortal
from tests.models.hand_laid import tiny

from puna.models.durable import PREFIX
from puna.models.gc import collect
from puna.models.library import Library
from puna.models.soundness import faults
from puna.models.store import Store


def run(store: Store, file: Path, seed: int, last: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, mortal.__file__, str(store.root), str(file), str(seed), str(last)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("deaths", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_a_store_stays_sound_though_its_writers_are_killed(tmp_path: Path, deaths: int) -> None:
    store = Store(tmp_path / "models")
    file = tiny(tmp_path / "m.gguf")
    lines = int(run(Store(tmp_path / "counted"), file, 0, 0).stdout)
    chance = random.Random(20_261_120)
    outlived = 0
    for seed in range(deaths):
        died = run(store, file, seed, chance.randrange(1, lines))
        assert died.returncode in (-signal.SIGKILL, 0), died.stderr
        outlived += died.returncode == 0
        assert faults(store) == []
        for model in Library(store).all():
            assert model.builtin or len(model.system) == 16
    # What lies in the store decides how many lines there are, so a few come to no end.
    assert outlived <= deaths // 5
    survivor = run(store, file, deaths, 0)
    assert survivor.returncode == 0, survivor.stderr
    collect(store)
    assert faults(store) == []
    assert not list(store.root.rglob(f"{PREFIX}*"))
