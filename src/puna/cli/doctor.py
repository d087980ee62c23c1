"""`puna doctor`: looks at all that Puna needs, and says what is wrong and how to mend it."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from puna.cli.options import File, Host, Json
from puna.cli.tables import print_json
from puna.cli.terminal import painted

if TYPE_CHECKING:
    from puna.cli.checkup.finding import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Also read every byte of every model.")
    ] = False,
    config: File = None,
    host: Host = None,
    json: Json = False,
) -> None:
    """Look for what is wrong, and say how to mend it.

    It needs no server. The exit code is 1 where something fails.
    """
    from puna.cli.checkup import machine, setup
    from puna.cli.checkup.finding import Finding
    from puna.configuration import Configuration
    from puna.errors import BadSetting

    def all_of_it() -> Iterator[Finding]:
        try:
            configuration = Configuration(file=config)
        except BadSetting as error:
            # Without settings, nobody knows where anything is.
            mend = error.mend or "Correct it where it is set."
            yield Finding("settings", "fail", error.message, mend)
            return
        settings = configuration.settings
        yield from setup.settings(configuration)
        yield from machine.engine(settings)
        yield from machine.memory()
        yield from machine.disk(settings)
        yield from setup.folders(settings)
        yield from setup.store(settings, thorough)
        yield from setup.port(settings)
        yield from setup.server(host)

    found: list[Finding] = []
    for finding in all_of_it():
        found.append(finding)
        if not json:
            print(told(finding), flush=True)
    if json:
        print_json({"findings": [finding._asdict() for finding in found]})
    if any(finding.state == "fail" for finding in found):
        raise typer.Exit(1)


def told(finding: "Finding") -> str:
    """A finding as a person reads it."""
    state = painted(f"{finding.state:<4}", sys.stdout, fg=COLOURS[finding.state])
    mend = f"\n{'':19}{finding.mend}" if finding.mend else ""
    return f"{state}  {finding.topic:<11}  {finding.text}{mend}"
