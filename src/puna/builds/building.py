"""`puna engine build`: from nothing to an engine that has proved itself, or why there is none."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from puna.builds.accelerators import PARTS
from puna.builds.compiling import OPTIONS, RELAX, Progress, compiled, staged
from puna.builds.machine import Machine, this_machine
from puna.builds.record import Record, Rejected, now
from puna.builds.shelf import Shelf
from puna.builds.shell import Shell
from puna.builds.testing import tested
from puna.builds.toolchain import PINNED, Toolchain, fetch, pinned
from puna.builds.variants import Variant, variants
from puna.engine import abi
from puna.engine.origin import sha256_of
from puna.errors import EngineFailed, EngineNotBuilt

WORK = ".work"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built, from what, and who hears how far it is."""

    parts: tuple[str, ...] = ()
    given: Path | None = None
    jobs: int = 0
    again: bool = False
    tell: Callable[[Progress], None] = lambda _: None
    machine: Machine = field(default_factory=this_machine)

    @property
    def options(self) -> tuple[str, ...]:
        """What is compiled in besides the processor's part."""
        return tuple(option for part in self.parts for option in PARTS[part].options())

    @property
    def name(self) -> str:
        """One name for the same source, options and machine."""
        made_of = (
            PINNED.read_text(),
            RELAX.read_text(),
            *OPTIONS,
            *self.options,
            self.machine.mark,
        )
        mark = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:8]
        return "-".join((*(self.parts or ("cpu",)), mark))


def build(shelf: Shelf, order: Order) -> Record:
    """Build, test and keep an engine; one that has proved itself already is only named.

    Raises `EngineNotBuilt` when no way to compile it gives one that proves itself.
    """
    for part in order.parts:
        PARTS[part].check()
    work = shelf.folder / WORK / order.name
    with alone(work, order.tell):
        known = shelf.get(order.name)
        if known is not None and known.passed is not None and not order.again:
            return known
        record = _strongest(shelf, order, work)
        shutil.rmtree(work, ignore_errors=True)
    return record


def downloaded(folder: Path) -> None:
    """Fetch what a build needs, for a machine of this kind that has no network."""
    with TemporaryDirectory() as scratch:
        fetch(Shell(Path(scratch) / "log.txt"), folder, None, Path(scratch))


def _strongest(shelf: Shelf, order: Order, work: Path) -> Record:
    """The strongest engine that passes its test."""
    work.mkdir(exist_ok=True)
    shell = Shell(work / "log.txt")
    toolchain = Toolchain(work)
    for doing in toolchain.lay_out(shell, order.given):
        order.tell(Progress(doing))
    record = Record(
        name=order.name,
        version=abi.VERSION,
        parts=("cpu", *order.parts),
        processor=order.machine.processor,
        compiler=f"zig {pinned()['ziglang']}",
    )
    for variant in variants(order.machine):
        made = _made(record, order, shell, toolchain, variant)
        folder = work / "result"
        order.tell(Progress("testing"))
        try:
            passed = tested(folder, made, order.machine)
        except EngineFailed as error:
            record = replace(
                record, rejected=(*record.rejected, Rejected(variant.name, str(error)))
            )
            continue
        shelf.take_in(folder, passed)
        return passed
    shelf.keep(replace(record, failed="No way to compile it gave one that works.", built=now()))
    reasons = "\n".join(f"{one.variant}: {one.reason}" for one in record.rejected)
    raise EngineNotBuilt(f"No build passed its test.\n{reasons}", "The embedded engine goes on.")


def _made(
    record: Record, order: Order, shell: Shell, toolchain: Toolchain, variant: Variant
) -> Record:
    """Compile one variant into the work's folder `result`; the record of what is there."""
    began = time.monotonic()
    options = (*order.options, *variant.options)
    jobs = order.jobs or os.cpu_count() or 1
    # In one folder, so that only what differs between variants is compiled anew.
    files = compiled(shell, toolchain, toolchain.folder / "build", options, jobs, order.tell)
    folder = toolchain.folder / "result"
    staged(files, folder)
    return replace(
        record,
        files={file.name: sha256_of(folder / file.name) for file in files},
        variant=variant.name,
        options=tuple(option for option in (*OPTIONS, *options) if option),
        built=now(),
        seconds=round(time.monotonic() - began, 1),
    )


@contextmanager
def alone(work: Path, tell: Callable[[Progress], None]) -> Generator[None]:
    """Nobody else builds the same in this block; who comes second waits, and finds it done."""
    locks = work.parent / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineNotBuilt(f"{locks} cannot be written to: {error.strerror}.") from None
    with (locks / work.name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(Progress("waiting for another build of the same"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
