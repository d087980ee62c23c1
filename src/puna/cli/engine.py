"""`puna engine`: builds, tests and chooses the library that does the arithmetic."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from puna.cli.options import Json
from puna.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from puna.builds.compiling import Progress
    from puna.builds.record import Record
    from puna.builds.shelf import Shelf

engine = typer.Typer(no_args_is_help=True, help="The library that does the arithmetic.")

Home = Annotated[
    Path | None, typer.Option("--home", help="Where Puna keeps what it writes.", show_default=False)
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="An engine's name, or its beginning.")]


@engine.command("build")
def build_engine(
    cuda: Annotated[bool, typer.Option("--cuda", help="With NVIDIA's GPUs.")] = False,
    hip: Annotated[bool, typer.Option("--hip", help="With AMD's GPUs.")] = False,
    vulkan: Annotated[bool, typer.Option("--vulkan", help="With GPUs by Vulkan.")] = False,
    metal: Annotated[bool, typer.Option("--metal", help="With Apple's GPUs.")] = False,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A folder of the files that are needed.", show_default=False),
    ] = None,
    download: Annotated[
        Path | None,
        typer.Option(
            "--download", help="Only fetch those files, into this folder.", show_default=False
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", help="So many at once; 0 is all cores.")] = 0,
    again: Annotated[bool, typer.Option("--again", help="Though there is one already.")] = False,
    home: Home = None,
) -> None:
    """Build an engine for this very machine, test it, and make it the default."""
    from puna.builds.building import Order, build, downloaded

    shelf = _shelf(home)
    if download is not None:
        downloaded(download)
        print(f"{download} has what a build needs: puna engine build --from {download}")
        return
    asked = {"cuda": cuda, "hip": hip, "vulkan": vulkan, "metal": metal}
    parts = tuple(name for name, wanted in asked.items() if wanted)
    with _Shown() as shown:
        record = build(shelf, Order(parts, source, jobs, again, shown))
    shelf.default = record.name
    _tell_rejected(record)
    print(f"{record.name} is built and tested, and is the default from a server's next start on.")
    _tell_gain(record)


@engine.command("list")
def list_engines(home: Home = None, json: Json = False) -> None:
    """Show the engines that there are, and which is used."""
    from puna.builds.choosing import choose
    from puna.builds.telling import engines
    from puna.configuration import Configuration

    shelf = _shelf(home)
    told = engines(shelf, choose(shelf, Configuration().settings.engine))
    if json:
        print_json(msgspec.to_builtins(told))
        return
    rows = [("engine", "for", "compiled", "prefill", "decode", "state")]
    for one in told.engines:
        prefill = f"{one.gain.prefill:g}x" if one.gain else ""
        decode = f"{one.gain.decode:g}x" if one.gain else ""
        state = "used" if one.running else "failed" if one.failed else ""
        rows.append((one.name, ", ".join(one.parts), one.variant, prefill, decode, state))
    print_table(rows)
    for one in told.engines:
        for rejected in one.rejected:
            print(f"{one.name}, {rejected.variant}: {rejected.reason}")
        if one.failed:
            print(f"{one.name}: {one.failed}")
    for note in (told.refused, told.suggestion):
        if note:
            print(note)


@engine.command("use")
def use_engine(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME|embedded|PATH", help="An engine, or a library of your own."),
    ],
    home: Home = None,
) -> None:
    """Make an engine the default, once its test is passed on this machine."""
    from puna.builds.choosing import proved
    from puna.builds.machine import this_machine
    from puna.builds.own import taken_in
    from puna.builds.shelf import EMBEDDED

    shelf = _shelf(home)
    if name != EMBEDDED:
        path = Path(name).expanduser()
        is_path = "/" in name or path.exists()
        record = taken_in(shelf, path) if is_path else shelf.find(name)
        record = proved(shelf, record, this_machine())
        _tell_gain(record)
        name = record.name
    shelf.default = name
    print(f"{name} is the default from a server's next start on.")


@engine.command("test")
def prove_engine(name: Name, home: Home = None, json: Json = False) -> None:
    """Test an engine again, and measure what it gains."""
    from puna.builds.choosing import proved
    from puna.builds.machine import this_machine

    shelf = _shelf(home)
    record = proved(shelf, shelf.find(name), this_machine(), again=True)
    if json:
        print_json(msgspec.to_builtins(record))
        return
    assert record.passed is not None
    print_table([("check", "found"), *record.passed.checks.items()])
    _tell_gain(record)


@engine.command("rm")
def remove_engine(name: Name, home: Home = None) -> None:
    """Remove an engine; was it the default, the embedded one is."""
    shelf = _shelf(home)
    record = shelf.find(name)
    shelf.remove(record.name)
    print(f"{record.name} is removed; {shelf.default} is the default.")


def _shelf(home: Path | None) -> "Shelf":
    from puna.builds.shelf import Shelf
    from puna.configuration import Configuration

    flags = {"home": str(home)} if home is not None else {}
    return Shelf(Configuration(flags).settings.home)


def _tell_rejected(record: "Record") -> None:
    for rejected in record.rejected:
        print(f"The build {rejected.variant} failed its test: {rejected.reason}", file=sys.stderr)


def _tell_gain(record: "Record") -> None:
    if record.gain is not None:
        print(
            f"Measured here against the embedded engine ({record.gain.model}):"
            f" {record.gain.prefill:g} times the prefill, {record.gain.decode:g} times the decode."
        )


class _Shown:
    """Progress on the error stream: one line that changes, or now and then one for a log."""

    EVERY = 20.0

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._doing = ""
        self._said = 0.0

    def __call__(self, progress: "Progress") -> None:
        text = progress.doing
        if progress.total:
            text += f" {progress.done}/{progress.total}"
        if progress.seconds is not None:
            minutes, seconds = divmod(round(progress.seconds), 60)
            text += f", about {minutes} min {seconds:02d} s left"
        if self._terminal:
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
        elif progress.doing != self._doing or time.monotonic() - self._said > self.EVERY:
            self._said = time.monotonic()
            print(text, file=sys.stderr, flush=True)
        self._doing = progress.doing

    def __enter__(self) -> "_Shown":
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal and self._doing:
            print(file=sys.stderr)
