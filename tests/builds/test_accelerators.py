"""A build for GPUs says what it lacks, and how to get it, before it fetches anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from puna.builds.accelerators import PARTS, Need, Part
from puna.builds.building import Order, build
from puna.builds.shelf import Shelf
from puna.errors import EngineNotBuilt


def test_all_that_is_missing_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = Part(
        "cuda",
        tuple,
        (
            Need("a compiler", lambda: None, "Install it."),
            Need("a header", lambda: None, "Install it."),
            Need("a shell", lambda: "/bin/sh", "There is one."),
        ),
    )
    monkeypatch.setitem(PARTS, "cuda", lacking)
    with pytest.raises(EngineNotBuilt) as told:
        build(Shelf(tmp_path), Order(parts=("cuda",)))
    assert str(told.value) == "A build with --cuda needs a compiler, a header. Install it."
    assert not (tmp_path / "engines").exists()


@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_need_of_a_real_part_says_how_to_get_it(name: str) -> None:
    assert all("nstall" in need.get or "Mac" in need.get for need in PARTS[name].needs)


@pytest.mark.parametrize("name", sorted(PARTS))
def test_the_command_names_what_is_missing_here_and_how_to_get_it(
    name: str, tmp_path: Path
) -> None:
    missing = PARTS[name].missing()
    if not missing:
        pytest.skip(f"this machine has all for --{name}")
    done = subprocess.run(
        [sys.executable, "-m", "puna", "engine", "build", f"--{name}", "--home", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    what = ", ".join(need.what for need in missing)
    assert f"A build with --{name} needs {what}." in told
    assert all(need.get in told for need in missing)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "darwin", reason="Metal is there")
def test_metal_needs_a_mac() -> None:
    with pytest.raises(EngineNotBuilt, match=r"needs a Mac.*on Macs only"):
        PARTS["metal"].check()
