"""What a stream can show: colours, things that move, and how wide it is."""

import os
import sys
from typing import Any, TextIO

import typer

NAME = "puna"


def colourful(stream: TextIO) -> bool:
    """Whether colours are wanted: on a terminal that has them, unless NO_COLOR says otherwise."""
    return moving(stream) and not os.environ.get("NO_COLOR")


def moving(stream: TextIO | None = None) -> bool:
    """Whether something may move: on a terminal only, and not on a dumb one."""
    return (stream or sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def painted(text: str, stream: TextIO, **style: Any) -> str:
    """The text in a style, where the stream shows it."""
    return typer.style(text, **style) if colourful(stream) else text


def tell(text: str) -> None:
    """Tell something beside the output."""
    print(painted(f"{NAME}:", sys.stderr, fg="red", bold=True), text, file=sys.stderr)
