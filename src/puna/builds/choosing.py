"""Which engine runs here, and why; and whether a faster one could be had.

A server's start waits for this, so that nothing is imported that is not needed.
"""

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from puna.builds.machine import Machine, this_machine
from puna.builds.record import Gain, Record
from puna.builds.shelf import EMBEDDED, Shelf
from puna.engine.origin import sha256_of
from puna.errors import EngineFailed, EngineMismatch

# What newer processors have that the embedded engine was not compiled to use.
_UNUSED = ("amx", "avx512", "avx_vnni", "asimddp", "i8mm", "sve")
# A gain below this may be noise.
_WORTH = 1.1


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine that runs. Without a path it is the embedded one; `refused` is why."""

    name: str
    path: Path | None = None
    refused: str = ""


def choose(shelf: Shelf, asked: Path | None = None, machine: Machine | None = None) -> Choice:
    """The engine that was asked for by flag, environment or file, else the default.

    A default that is not proved on this very machine proves itself first, which takes seconds.
    """
    if asked is not None:
        return Choice(str(asked), asked)
    name = shelf.default
    if name == EMBEDDED:
        return Choice(EMBEDDED)
    record = shelf.get(name)
    if record is None:
        return Choice(EMBEDDED, refused=f"The engine {name} is not there any more.")
    try:
        proved(shelf, record, machine or this_machine())
    except (EngineFailed, EngineMismatch) as error:
        return Choice(EMBEDDED, refused=f"The engine {name} is not used: {error}")
    return Choice(name, shelf.place(name))


def proved(shelf: Shelf, record: Record, machine: Machine, *, again: bool = False) -> Record:
    """The engine's record, once its test is passed on this machine with the files that it has.

    A test that was passed counts as long as neither has changed.
    """
    folder = libraries(shelf, record)
    files = {name: _hash(folder / name) for name in record.files}
    changed = files != record.files
    if changed and not record.at:
        raise EngineMismatch(
            f"The files of the engine {record.name} are not those that were built.",
            "Build it again: puna engine build --again.",
        )
    if not (again or changed) and record.passed and record.passed.mark == machine.mark:
        return record
    # It brings the whole engine along.
    from puna.builds.testing import tested

    try:
        passed = tested(folder, replace(record, files=files), machine)
    except EngineFailed as error:
        shelf.keep(replace(record, passed=None, failed=str(error)))
        raise
    shelf.keep(passed)
    return passed


def libraries(shelf: Shelf, record: Record) -> Path:
    """The folder of an engine's libraries."""
    return Path(record.at) if record.at else shelf.place(record.name)


def suggestion(shelf: Shelf, choice: Choice, machine: Machine | None = None) -> str:
    """What to do for a faster engine, with what was measured of it here; empty if nothing."""
    if choice.name != EMBEDDED:
        return ""
    machine = machine or this_machine()
    known = [one for one in shelf.all() if one.passed and one.passed.mark == machine.mark]
    gains = [(one.gain, one.name) for one in known if one.gain and _is_worth(one.gain)]
    if gains:
        gain, name = max(gains, key=lambda one: one[0].decode * one[0].prefill)
        return (
            f"There is a faster engine: {name} measured {gain.prefill:g} times the prefill and"
            f" {gain.decode:g} times the decode of the embedded one here ({gain.model})."
            f" To use it: `puna engine use {name}`."
        )
    if shelf.all() or not could_be_faster(machine):
        return ""
    return (
        "This machine can more than the embedded engine uses. `puna engine build` makes one for it"
        " in some minutes, and measures what it gains."
    )


def _is_worth(gain: Gain) -> bool:
    return gain.decode * gain.prefill >= _WORTH * _WORTH and min(gain.decode, gain.prefill) >= 1


def could_be_faster(machine: Machine) -> bool:
    """Whether there is something here that the embedded engine was not compiled for."""
    return bool(machine.driver) or any(one.startswith(_UNUSED) for one in machine.features)


def _hash(path: Path) -> str:
    return sha256_of(path) if path.is_file() else ""
