"""The words that several commands take alike."""

from pathlib import Path
from typing import Annotated

import typer

from puna.cli.completion import model_names

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="The model's name.", autocompletion=model_names)
]
Models = Annotated[
    list[str],
    typer.Argument(metavar="MODEL...", help="The models' names.", autocompletion=model_names),
]
Host = Annotated[
    str | None,
    typer.Option("--host", metavar="ADDRESS", help="The server's address.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="For programs to read.")]
File = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="The settings' file, in YAML.", show_default=False
    ),
]
