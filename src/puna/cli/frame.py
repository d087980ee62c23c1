"""The frame that the commands hang in: listed without being imported, loaded when called."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from puna import __version__
from puna.cli.commands import COMMANDS

FLAGS = {"help_option_names": ["-h", "--help"]}
ENDS = "Exit codes: 0 all is well, 1 an error, 2 a command that makes no sense, 130 interrupted."


class Commands(TyperGroup):
    """The commands of the table, as far as the help and a shell's completion need to know them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for entry in COMMANDS:
            also = f" (also {', '.join(entry.aliases)})." if entry.aliases else "."
            self.add_command(TyperCommand(entry.name, help=entry.help.removesuffix(".") + also))
            for alias in entry.aliases:
                self.add_command(TyperCommand(alias, help=entry.help, hidden=True))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, in full, and what is left of the words."""
        name, known, rest = super().resolve_command(ctx, args)
        return name, loaded(name) if name and known else known, rest


def loaded(name: str) -> Any:
    """A command by its name or alias, imported now."""
    entry = next(entry for entry in COMMANDS if name in (entry.name, *entry.aliases))
    module, _, attribute = entry.place.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, cls=getattr(found, "kind", TyperCommand))(found)
    return typer.main.get_command(alone)


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"puna {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    context_settings=FLAGS,
    rich_markup_mode=None,
    invoke_without_command=True,
    epilog=ENDS,
)


@app.callback()
def puna(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-v", help="Tell the version.", callback=_tell_version, is_eager=True
        ),
    ] = False,
) -> None:
    """One LLM server for your own machines that speaks every API.

    Commands that ask a server find it by --host, else by PUNA_HOST, else by OLLAMA_HOST; by default
    it is on this machine.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())
