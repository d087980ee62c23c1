"""`puna history`, `puna rollback`, `puna gc`: what is kept of models, and what is not."""

from typing import Annotated
from urllib.parse import quote

import typer

from puna.cli.client import Client
from puna.cli.options import Host, Json, Model
from puna.cli.tables import DIGITS, print_json, print_table, size_of, time_of


def history(model: Model, host: Host = None, json: Json = False) -> None:
    """Show what a model's name has stood for."""
    told = Client(host).get(f"{_path(model)}/history")
    if json:
        print_json(told)
        return
    rows = [("revision", "size", "since", "until")]
    for one in told["revisions"]:
        until = "now" if one["current"] else time_of(one["until"])
        rows.append((one["digest"][:DIGITS], size_of(one["size"]), time_of(one["since"]), until))
    print_table(rows)


def rollback(
    model: Model,
    revision: Annotated[
        str, typer.Argument(metavar="REVISION", help="Its digest; seven digits are enough.")
    ],
    host: Host = None,
) -> None:
    """Let a name stand for a former revision again."""
    told = Client(host).post(f"{_path(model)}/rollback", {"revision": revision})
    print(f"{told['model']} is {told['digest'][:DIGITS]} again.")


def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Remove it.")] = False,
    host: Host = None,
    json: Json = False,
) -> None:
    """Show, or remove, what no model needs any more."""
    told = Client(host).post("/puna/v1/gc", {"dry_run": not delete})
    if json:
        print_json(told)
        return
    files = [*told["blobs"], *told["partials"]]
    for file in files:
        print(file)
    what = f"{len(files)} {'file' if len(files) == 1 else 'files'}, {size_of(told['bytes'])}"
    if not files:
        print("There is nothing that no model needs.")
    elif delete:
        print(f"Removed {what}.")
    else:
        print(f"{what}, not needed by any model. `puna gc --delete` removes them.")


def _path(model: str) -> str:
    return f"/puna/v1/models/{quote(model, safe='/:@')}"
