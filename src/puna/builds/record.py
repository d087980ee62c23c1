"""What is written beside an engine that was built: what, from what, for what, and how it fared."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from puna.engine.origin import BUILD_FILE
from puna.errors import EngineMismatch
from puna.models.durable import write_whole


class Gain(msgspec.Struct, frozen=True):
    """How many times the embedded engine's speed was measured, on this machine, with what model."""

    prefill: float
    decode: float
    model: str


class Passed(msgspec.Struct, frozen=True):
    """A self-test that was passed: when, on which machine, and what each check found."""

    when: str
    machine: str
    mark: str
    checks: dict[str, str]


class Rejected(msgspec.Struct, frozen=True):
    """A way to compile that failed, and why."""

    variant: str
    reason: str


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """An engine. `at` is where its libraries are, if not beside this file."""

    name: str
    version: str
    files: dict[str, str] = {}
    parts: tuple[str, ...] = ("cpu",)
    variant: str = ""
    options: tuple[str, ...] = ()
    processor: str = ""
    compiler: str = ""
    built: str = ""
    seconds: float = 0.0
    passed: Passed | None = None
    # Why it may not be used, where its last test failed.
    failed: str = ""
    rejected: tuple[Rejected, ...] = ()
    gain: Gain | None = None
    at: str = ""


def now() -> str:
    """This moment, as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_record(folder: Path) -> Record:
    """The record of the engine in a folder."""
    path = folder / BUILD_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError) as error:
        raise EngineMismatch(f"The engine's record {path} cannot be read: {error}.") from None


def write_record(folder: Path, record: Record) -> None:
    """Write it, whole or not at all."""
    text = msgspec.json.format(msgspec.json.encode(record)) + b"\n"
    write_whole(folder, folder / BUILD_FILE, text)
