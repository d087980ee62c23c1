"""What people and programs are told of engines: which there are, which runs, and why."""

import msgspec

from puna.builds.choosing import Choice, libraries, suggestion
from puna.builds.record import Gain, Record, Rejected
from puna.builds.shelf import EMBEDDED, Shelf
from puna.engine import abi


class Engine(msgspec.Struct, frozen=True):
    """An engine that there is."""

    name: str
    version: str
    parts: tuple[str, ...] = ("cpu",)
    variant: str = ""
    options: tuple[str, ...] = ()
    processor: str = ""
    compiler: str = ""
    built: str = ""
    tested: str = ""
    checks: dict[str, str] = {}
    failed: str = ""
    rejected: tuple[Rejected, ...] = ()
    gain: Gain | None = None
    path: str = ""
    default: bool = False
    running: bool = False


class Engines(msgspec.Struct, frozen=True):
    """All of them; the one that runs; why the default does not, and whether there is a faster."""

    running: str
    engines: tuple[Engine, ...]
    refused: str = ""
    suggestion: str = ""


def engines(shelf: Shelf, choice: Choice) -> Engines:
    """What there is."""
    default = shelf.default
    found = [Engine(EMBEDDED, abi.VERSION)]
    found += [_told(shelf, record) for record in shelf.all()]
    return Engines(
        running=choice.name,
        engines=tuple(
            msgspec.structs.replace(
                one, default=one.name == default, running=one.name == choice.name
            )
            for one in found
        ),
        refused=choice.refused,
        suggestion=suggestion(shelf, choice),
    )


def _told(shelf: Shelf, record: Record) -> Engine:
    return Engine(
        name=record.name,
        version=record.version,
        parts=record.parts,
        variant=record.variant,
        options=record.options,
        processor=record.processor,
        compiler=record.compiler,
        built=record.built,
        tested=record.passed.when if record.passed else "",
        checks=record.passed.checks if record.passed else {},
        failed=record.failed,
        rejected=record.rejected,
        gain=record.gain,
        path=str(libraries(shelf, record)),
    )
