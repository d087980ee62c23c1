"""`puna cp`, `puna rm` and `puna stop`: what becomes of models."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

import typer

from puna.cli.client import Client
from puna.cli.options import Host, Model, Models
from puna.cli.terminal import tell
from puna.errors import PunaError


def cp(
    source: Model,
    destination: Annotated[str, typer.Argument(metavar="NEW", help="The name that it gets.")],
    host: Host = None,
) -> None:
    """Give a model a second name."""
    Client(host).post("/api/copy", {"source": source, "destination": destination})
    print(f"Copied {source} to {destination}.")


def rm(
    models: Models,
    restore: Annotated[
        bool, typer.Option("--restore", help="Show the built-in model again, after it was hidden.")
    ] = False,
    host: Host = None,
) -> None:
    """Remove models by their names.

    Their histories go with them.
    """
    client = Client(host)
    if restore:
        _each(models, lambda name: _restored(client, name))
    else:
        builtin = [one for one in _known(client) if one["builtin"]]
        _each(models, lambda name: _removed(client, name, builtin))


def stop(models: Models, host: Host = None) -> None:
    """Let models go that are loaded.

    They go as soon as their running jobs have ended.
    """
    client = Client(host)
    _each(models, lambda name: _stopped(client, name))


def _each(models: list[str], act: Callable[[str], str]) -> None:
    """Do it to all of them; what does not work with one is told, and keeps no other from it."""
    failed = False
    for name in models:
        try:
            print(act(name))
        except PunaError as error:
            tell(str(error))
            failed = True
    if failed:
        raise typer.Exit(1)


def _removed(client: Client, name: str, builtin: list[Any]) -> str:
    client.delete("/api/delete", {"model": name})
    if _named(name, builtin):
        return (
            f"{name} comes with Puna, so it is hidden instead of removed. "
            f"`puna rm --restore {name}` shows it again."
        )
    return f"Removed {name}."


def _restored(client: Client, name: str) -> str:
    shown = client.post(f"/puna/v1/models/{quote(name, safe='/:@')}/reveal", {})
    return f"{shown['model']} is there again."


def _stopped(client: Client, name: str) -> str:
    loaded = {one["digest"] for one in client.get("/puna/v1/runners")["runners"]}
    known = _named(name, _known(client))
    client.post("/api/generate", {"model": name, "keep_alive": 0, "stream": False})
    was_loaded = known is None or known["digest"] in loaded
    return f"Stopped {name}." if was_loaded else f"{name} is not loaded."


def _known(client: Client) -> list[Any]:
    return client.get("/puna/v1/models")["models"]


def _named(name: str, models: list[Any]) -> Any:
    """The model of a name, written with or without its usual tag."""
    written = (name.lower(), f"{name}:latest".lower())
    return next((one for one in models if one["name"].lower() in written), None)
