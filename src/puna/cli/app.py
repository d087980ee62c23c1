"""The command `puna`: runs what is asked for, and ends as a command should."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from puna.cli.completion import join_at_colons
from puna.cli.frame import app
from puna.cli.lightly import take_plain_values_lightly
from puna.cli.terminal import NAME, tell
from puna.errors import PunaError

# By this variable a shell asks how a line may go on.
COMPLETION = "_PUNA_COMPLETE"
INTERRUPTED = 130


def main() -> None:
    """Run a command; what goes wrong is told in a sentence and a mend, without a trace."""
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go()
    sys.exit(status)


def run(words: Sequence[str]) -> int:
    """The exit code of a command."""
    take_plain_values_lightly()
    command: Any = typer.main.get_command(app)
    if COMPLETION in os.environ:
        join_at_colons(os.environ)
        command.main(prog_name=NAME)
    try:
        with command.make_context(NAME, list(words)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Who read the output has seen enough.
        _let_go()
    except typer.TyperException as error:
        return _misused(error)
    except PunaError as error:
        tell(str(error))
        return 1
    return 0


def _misused(error: Any) -> int:
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is None:
        tell(message)
    elif message == context.get_help():
        print(message, file=sys.stderr)
    else:
        sentence = message if message.endswith((".", "?")) else f"{message}."
        tell(f"{sentence} `{context.command_path} --help` tells how it is called.")
    return getattr(error, "exit_code", 1)


def _let_go() -> None:
    """Write the rest of the output nowhere, so that nothing fails when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
