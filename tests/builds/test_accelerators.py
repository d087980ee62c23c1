"""A build for GPUs says what it lacks, and how to get it, before it fetches anything."""

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


@pytest.mark.skipif(sys.platform == "darwin", reason="Metal is there")
def test_metal_needs_a_mac() -> None:
    with pytest.raises(EngineNotBuilt, match=r"needs a Mac.*on Macs only"):
        PARTS["metal"].check()
