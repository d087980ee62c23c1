"""`puna fit`: where a model would go and why, as a bar for each device."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from puna.cli.client import Client
from puna.cli.completion import model_names
from puna.cli.options import Host, Json
from puna.cli.tables import print_json, size_of
from puna.cli.terminal import painted

WIDTH = 50
# What of a device a model takes, how it is drawn, and in which colour.
PARTS = (
    ("weights", "█", "blue"),
    ("cache", "▓", "green"),
    ("compute", "▒", "yellow"),
    ("other", "░", "magenta"),
)
FREE, TAKEN = "·", "×"

Subject = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|FILE",
        help="A model of the server, or a GGUF file on its machine.",
        autocompletion=model_names,
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        "--ctx", metavar="N", min=1, help="How many tokens a conversation has.", show_default=False
    ),
]
Sequences = Annotated[
    int | None,
    typer.Option(
        "--sequences", metavar="N", min=1, help="How many jobs at once.", show_default=False
    ),
]
Cache = Annotated[
    str | None,
    typer.Option("--kv", metavar="TYPE", help="The cache's type: f16, q8_0, …", show_default=False),
]
Gpus = Annotated[
    list[str] | None,
    typer.Option(
        "--gpu", metavar="SIZE", help="Suppose a GPU of this memory; several are several."
    ),
]
Memory = Annotated[
    str | None,
    typer.Option("--ram", metavar="SIZE", help="Suppose so much main memory.", show_default=False),
]


def fit(
    subject: Subject,
    context: Context = None,
    sequences: Sequences = None,
    cache: Cache = None,
    gpus: Gpus = None,
    memory: Memory = None,
    host: Host = None,
    json: Json = False,
) -> None:
    """Show where a model would go, and why.

    What idle models take counts as free, since they would make way. Where it does not fit, the exit
    code is 1.
    """
    asked = {
        "context": context,
        "sequences": sequences,
        "cache_type": cache,
        "gpus": gpus or None,
        "memory": memory,
    }
    body = _subject(subject) | {name: value for name, value in asked.items() if value is not None}
    told = Client(host).post("/puna/v1/fit", body)
    if json:
        print_json(told)
    else:
        print("\n".join(chart(told)))
    if not told["fits"]:
        raise typer.Exit(1)


def _subject(written: str) -> dict[str, str]:
    """A file, where there is one or it can only be one; else a model."""
    path = Path(written).expanduser()
    if path.is_file() or written.endswith(".gguf") or written.startswith((".", "/", "~")):
        return {"file": os.path.abspath(path)}
    return {"model": written}


def chart(told: dict[str, Any]) -> Iterator[str]:
    """The lines of what a server told of a placement."""
    mark = painted("fits", sys.stdout, fg="green") if told["fits"] else "does not fit"
    yield f"{told['model']} {mark}. {told['why']}"
    most = max(device["total"] for device in told["devices"])
    for device in told["devices"]:
        yield ""
        yield from _bar(device, most)
    if told["fits"]:
        names = [f"{_drawn(sign, colour)} {name}" for name, sign, colour in PARTS]
        yield ""
        yield "  ".join([*names, f"{FREE} free", f"{TAKEN} taken by others"])


def _bar(device: dict[str, Any], most: int) -> Iterator[str]:
    """The device's memory; the largest device fills the width."""
    width = max(10, round(WIDTH * device["total"] / most))
    layers = f", {device['layers']} layers" if device["layers"] else ""
    about = "" if device["description"] == "supposed" else f" ({device['description']})"
    yield f"{device['name']}{about}: {size_of(device['total'])}{layers}"
    sizes = [(sign, colour, device[name]) for name, sign, colour in PARTS]
    free = max(0, device["free"] - sum(size for _, _, size in sizes))
    left, bar = width, ""
    for sign, colour, size in sizes:
        # What is there shows, however little it is.
        cells = min(left, max(1, round(width * size / device["total"]))) if size else 0
        bar, left = bar + _drawn(sign * cells, colour), left - cells
    unfilled = min(left, round(width * free / device["total"]))
    yield f"  {bar}{FREE * unfilled}{TAKEN * (left - unfilled)}"
    words = [f"{name} {size_of(device[name])}" for name, _, _ in PARTS if device[name]]
    yield f"  {', '.join([*words, f'free {size_of(free)}'])}"


def _drawn(text: str, colour: str) -> str:
    return painted(text, sys.stdout, fg=colour)
