"""Where a build fails its test, the next weaker one is made, and the reasons are kept.

The compiler and the test are fakes here: real ones are in test_building.py and test_self_test.py.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from msgspec.structs import replace

from puna.builds import building
from puna.builds.building import Order, build
from puna.builds.compiling import Progress
from puna.builds.machine import Machine
from puna.builds.record import Gain, Passed, Record, now
from puna.builds.shelf import Shelf
from puna.builds.toolchain import Toolchain
from puna.errors import EngineFailed, EngineNotBuilt

MACHINE = Machine("linux", "x86_64", "one", frozenset({"avx2", "avx512f", "amx_int8"}))


class FakeWorkshop:
    """Compiles files that name their options, and fails the tests of these variants."""

    def __init__(self, broken: set[str]) -> None:
        self.broken = broken
        self.compiled = 0

    def lay_out(self, *_: Any) -> Iterator[str]:
        yield "fetching"

    def compile(self, _: Any, toolchain: Toolchain, *rest: Any) -> list[Path]:
        self.compiled += 1
        file = toolchain.folder / "libllama.so"
        file.write_text(str(rest[1]))
        return [file]

    def test(self, folder: Path, record: Record, machine: Machine) -> Record:
        assert (folder / "libllama.so").is_file()
        if record.variant in self.broken:
            raise EngineFailed(f"{record.variant} crashed.")
        passed = Passed(now(), machine.processor, machine.mark, {})
        return replace(record, passed=passed, gain=Gain(2, 2, "none"))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def workshop(monkeypatch: pytest.MonkeyPatch, *broken: str) -> FakeWorkshop:
    made = FakeWorkshop(set(broken))
    monkeypatch.setattr(Toolchain, "lay_out", made.lay_out)
    monkeypatch.setattr(building, "compiled", made.compile)
    monkeypatch.setattr(building, "tested", made.test)
    return made


def test_the_strongest_that_passes_is_kept_with_why_others_are_not(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop(monkeypatch, "native", "without AMX")
    record = build(shelf, Order(machine=MACHINE))
    assert record.variant == "without AVX-512"
    assert [(one.variant, one.reason) for one in record.rejected] == [
        ("native", "native crashed."),
        ("without AMX", "without AMX crashed."),
    ]
    assert shelf.find(record.name) == record
    assert "GGML_AVX512=OFF" in (shelf.place(record.name) / "libllama.so").read_text()


def test_where_none_passes_all_reasons_are_told_and_nothing_is_used(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = workshop(monkeypatch, "native", "without AMX", "without AVX-512", "baseline")
    order = Order(machine=MACHINE)
    with pytest.raises(EngineNotBuilt, match=r"(?s)native crashed.*without AVX-512 crashed"):
        build(shelf, order)
    kept = shelf.find(order.name)
    assert kept.failed
    assert len(kept.rejected) == made.compiled
    assert kept.passed is None


def test_what_passed_is_compiled_once_unless_it_is_asked_for_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = workshop(monkeypatch)
    first = build(shelf, Order(machine=MACHINE))
    assert build(shelf, Order(machine=MACHINE)) == first
    assert made.compiled == 1
    build(shelf, Order(machine=MACHINE, again=True))
    assert made.compiled == 2


def test_of_two_builds_of_the_same_the_second_waits_and_finds_it_done(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = workshop(monkeypatch)
    begun, waiting = Event(), Event()

    def compile_later(*given: Any) -> list[Path]:
        begun.set()
        assert waiting.wait(60)
        return made.compile(*given)

    def hear(progress: Progress) -> None:
        assert progress.doing == "waiting for another build of the same"
        waiting.set()

    monkeypatch.setattr(building, "compiled", compile_later)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(build, shelf, Order(machine=MACHINE))
        assert begun.wait(60)
        second = threads.submit(build, shelf, Order(machine=MACHINE, tell=hear))
        assert first.result() == second.result()
    assert made.compiled == 1
