"""Every command of `puna`: its name, what it does in a line, and where it lives.

To add a command, write it, add its line here and renew the snapshot of its help (see
tests/cli/test_snapshots.py); nothing else is needed. It is a function that
typer understands, or a `typer.Typer` with commands of its own (`puna engine build`). `help` is the
first line of its docstring, or of the Typer's help, so that listing the commands imports none of
them: a command's module is imported when the command is called, and with it only what it needs.
A function's attribute `kind` is the class of its command, where typer's own does not do.
What is slow to import and not always needed belongs into its functions, not to the module's head.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One command; `place` is `module:attribute`."""

    name: str
    place: str
    help: str
    aliases: tuple[str, ...] = ()


COMMANDS = (
    Entry("run", "puna.cli.run:run", "Talk with a model, or ask it one thing."),
    Entry("serve", "puna.cli.serve:serve", "Start the server."),
    Entry("create", "puna.cli.create:create", "Make a model of files, or of another one."),
    Entry("show", "puna.cli.show:show", "Show what is known of a model."),
    Entry("list", "puna.cli.listing:list_models", "List the models that there are.", ("ls",)),
    Entry("ps", "puna.cli.listing:ps", "List the models that are loaded, and what they do."),
    Entry("stop", "puna.cli.models:stop", "Let models go that are loaded."),
    Entry("cp", "puna.cli.models:cp", "Give a model a second name."),
    Entry("rm", "puna.cli.models:rm", "Remove models by their names."),
    Entry("history", "puna.cli.keeping:history", "Show what a model's name has stood for."),
    Entry("rollback", "puna.cli.keeping:rollback", "Let a name stand for a former revision again."),
    Entry("gc", "puna.cli.keeping:gc", "Show, or remove, what no model needs any more."),
    Entry("fit", "puna.cli.fit:fit", "Show where a model would go, and why."),
    Entry("bench", "puna.cli.bench:bench", "Measure servers under load, and compare them."),
    Entry("engine", "puna.cli.engine:engine", "The library that does the arithmetic."),
    Entry("config", "puna.cli.config:config", "Show each setting and where its value came from."),
    Entry("doctor", "puna.cli.doctor:doctor", "Look for what is wrong, and say how to mend it."),
    Entry("service", "puna.cli.service:app", "Let the system start the server and keep it up."),
)
