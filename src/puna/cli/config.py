"""`puna config`: each setting with its value and where that came from."""

import sys
from typing import Any, Literal, cast

import msgspec

from puna.cli.flags import with_flags
from puna.cli.options import File, Json
from puna.cli.tables import print_table
from puna.configuration import Configuration


@with_flags
def config(config: File = None, json: Json = False, *, given: dict[str, Any]) -> None:
    """Show each setting and where its value came from."""
    show(Configuration(given, config), "json" if json else "table")


def show(configuration: Configuration, form: Literal["table", "json"]) -> None:
    """Print the settings; what nobody knows of their sources goes to the error stream."""
    for warning in configuration.warnings:
        print(f"puna: {warning}", file=sys.stderr)
    told = configuration.told()
    if form == "json":
        print(msgspec.json.format(msgspec.json.encode({"settings": told})).decode())
        return
    rows = [(one.name, written(one.value), one.origin, one.effect) for one in told]
    print_table([("setting", "value", "from", "acts"), *rows])


def written(value: object) -> str:
    """A value as it could be given."""
    if value is None:
        return "auto"
    if isinstance(value, list):
        return ",".join(str(one) for one in cast(list[object], value))
    return str(value).lower() if isinstance(value, bool) else str(value)
