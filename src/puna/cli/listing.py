"""`puna list` and `puna ps`: which models there are, and which are loaded."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from puna.cli.client import Client
from puna.cli.options import Host, Json
from puna.cli.tables import DIGITS, ago, ahead, print_json, size_of, table
from puna.cli.terminal import moving

# What the engine calls the device whose memory is the machine's own.
PROCESSOR = "CPU"
WATCH_SECONDS = 1.0


def list_models(
    prefix: Annotated[
        str, typer.Argument(metavar="[PREFIX]", help="Only names that begin so.")
    ] = "",
    host: Host = None,
    json: Json = False,
) -> None:
    """List the models that there are."""
    models = [
        one
        for one in Client(host).get("/puna/v1/models")["models"]
        if one["name"].lower().startswith(prefix.lower())
    ]
    if json:
        print_json({"models": models})
        return
    print(there_are(models))


def ps(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it again and again, until Ctrl-C.")
    ] = False,
    host: Host = None,
    json: Json = False,
) -> None:
    """List the models that are loaded, and what they do."""
    client = Client(host)
    if json:
        print_json(_loaded(client))
    elif not watch:
        print(are_loaded(_loaded(client)["runners"]))
    elif moving():
        _watch(client)
    else:
        for shown in _again_and_again(client):
            print(shown, end="\n\n", flush=True)


def there_are(models: Sequence[Any], now: datetime | None = None) -> str:
    """The models that there are, as a table."""
    rows = [("name", "id", "size", "modified")]
    for one in models:
        modified = "comes with Puna" if one["builtin"] else ago(one["modified"], now)
        rows.append((one["name"], one["digest"][:DIGITS], size_of(one["size"]), modified))
    return table(rows)


def are_loaded(runners: Sequence[Any], now: datetime | None = None) -> str:
    """The models that are loaded, as a table."""
    rows = [("name", "revision", "size", "processor", "context", "busy", "tokens/s", "until")]
    for one in runners:
        waiting = f" +{one['waiting']}" if one["waiting"] else ""
        rows.append(
            (
                one["model"],
                one["digest"][:DIGITS],
                size_of(one["size"]),
                lies(one["devices"]),
                f"{one['context']}",
                f"{one['busy']}/{one['sequences']}{waiting}",
                f"{one['rate']:.1f}",
                ahead(one["until"], now),
            )
        )
    return table(rows)


def lies(devices: Sequence[Mapping[str, Any]]) -> str:
    """On what a model computes, by the layers that each device has."""
    every = sum(device["layers"] for device in devices)
    beside = sum(one["layers"] for one in devices if one["name"] != PROCESSOR)
    gpu = round(100 * beside / every) if every else 0
    # What lies on both is never told as being on one.
    gpu = min(max(gpu, 1), 99) if 0 < beside < every else gpu
    if gpu in (0, 100):
        return "100% GPU" if gpu else "100% CPU"
    return f"{100 - gpu}%/{gpu}% CPU/GPU"


def _loaded(client: Client) -> Any:
    return client.get("/puna/v1/runners")


def _again_and_again(client: Client) -> Iterator[str]:
    while True:
        yield are_loaded(_loaded(client)["runners"])
        time.sleep(WATCH_SECONDS)


def _watch(client: Client) -> None:
    """In one place of the terminal."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False) as live:
        for shown in _again_and_again(client):
            live.update(Text(shown, no_wrap=True, overflow="ellipsis"), refresh=True)
