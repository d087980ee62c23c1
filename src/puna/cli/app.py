"""The command `puna`."""

import gc
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from puna.cli import keeping
from puna.cli.flags import with_flags
from puna.errors import PunaError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="One LLM server, every API.")

File = Annotated[
    Path | None,
    typer.Option("--config", help="The settings' file, in YAML.", show_default=False),
]


@app.callback()
def puna() -> None:
    """One LLM server for your own machines."""


@app.command()
@with_flags
def serve(config: File = None, *, given: dict[str, Any]) -> None:
    """Start the server."""
    # Until it serves, there is only what stays, and looking through it again and again takes time.
    gc.disable()
    from puna.configuration import Configuration
    from puna.server.serving import serve as run_server

    run_server(Configuration(given, config))


@app.command()
@with_flags
def config(
    config: File = None,
    json: Annotated[bool, typer.Option("--json", help="For programs to read.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Show each setting with its value and where that came from."""
    from puna.cli.config import show
    from puna.configuration import Configuration

    show(Configuration(given, config), "json" if json else "table")


for command in (keeping.history, keeping.rollback, keeping.gc):
    app.command()(command)


def main() -> None:
    """Run a command; an error of Puna's is told in its own words, without a trace."""
    try:
        app()
    except PunaError as error:
        print(f"puna: {error}", file=sys.stderr)
        raise SystemExit(1) from None
