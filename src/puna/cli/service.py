"""`puna service`: the server started by the system, started again, and logged."""

import sys
from typing import Annotated

import typer

from puna.cli.manager import Manager, Scope, State
from puna.cli.options import Json
from puna.cli.tables import print_json

app = typer.Typer(no_args_is_help=True, help="Let the system start the server and keep it up.")

System = Annotated[
    bool, typer.Option("--system", help="For the whole machine; needs root.", show_default=False)
]


@app.command()
def install(
    system: System = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be written.")
    ] = False,
) -> None:
    """Start the server now, and whenever the system starts."""
    manager = _manager(_scope(system))
    if dry_run:
        print(manager.written(), end="")
        return
    manager.install()
    print(f"Puna runs as a service, described in {manager.file}.")
    print(f"Its settings are in {manager.settings}, its log is shown by `{manager.logs}`.")
    for hint in manager.hints():
        print(hint)


@app.command()
def uninstall(system: System = False) -> None:
    """End the service and remove it; models and settings stay."""
    manager = _manager(_scope(system))
    manager.uninstall()
    print(f"The service is gone. Its settings stay in {manager.settings}.")


@app.command()
def status(
    system: System = False,
    json: Json = False,
) -> None:
    """Show whether the service is there and runs."""
    manager = _manager(_scope(system))
    state = manager.state()
    if json:
        print_json(state)
    else:
        print(_told(state, manager.logs))
    if not state.running:
        raise typer.Exit(1)


def _told(state: State, logs: str) -> str:
    if not state.installed:
        return "There is no service. `puna service install` makes one."
    start = "starts with the system" if state.enabled else "does not start with the system"
    if not state.running:
        return f"The service does not run ({state.words}) and {start}. `{logs}` shows why."
    return f"The service runs as process {state.process} ({state.words}) and {start}."


def _scope(system: bool) -> Scope:
    return "system" if system else "user"


def _manager(scope: Scope) -> Manager:
    if sys.platform == "darwin":
        from puna.cli.launchd import Launchd

        return Launchd(scope)
    from puna.cli.systemd import Systemd

    return Systemd(scope)
