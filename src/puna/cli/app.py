"""The command `puna`."""

import sys
from typing import Annotated, Any

import typer

from puna.errors import PunaError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="One LLM server, every API.")


@app.callback()
def puna() -> None:
    """One LLM server for your own machines."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 is any free one.")] = None,
) -> None:
    """Start the server."""
    from puna.server.serving import serve as run_server
    from puna.settings import Settings

    given: dict[str, Any] = {"host": host, "port": port}
    run_server(Settings(**{name: value for name, value in given.items() if value is not None}))


def main() -> None:
    """Run a command; an error of Puna's is told in its own words, without a trace."""
    try:
        app()
    except PunaError as error:
        print(f"puna: {error}", file=sys.stderr)
        raise SystemExit(1) from None
