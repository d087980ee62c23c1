"""`puna show`: what is known of a model, as a card or in one of its parts."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from puna.cli.client import Client
from puna.cli.options import Host, Json, Model
from puna.cli.tables import count_of, print_json
from puna.cli.terminal import painted

# So much of a text is on the card; the rest is asked for by its flag.
LINES = 2


def _part(name: str, help: str) -> Any:
    return typer.Option(f"--{name}", help=help)


def show(
    model: Model,
    modelfile: Annotated[bool, _part("modelfile", "Only its Modelfile.")] = False,
    template: Annotated[bool, _part("template", "Only its template.")] = False,
    system: Annotated[bool, _part("system", "Only its system prompt.")] = False,
    license: Annotated[bool, _part("license", "Only its licence.")] = False,
    parameters: Annotated[bool, _part("parameters", "Only its parameters.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also all that its file says, and its tensors.")
    ] = False,
    host: Host = None,
    json: Json = False,
) -> None:
    """Show what is known of a model."""
    parts = {
        "modelfile": modelfile,
        "template": template,
        "system": system,
        "license": license,
        "parameters": parameters,
    }
    asked = [name for name, wanted in parts.items() if wanted]
    if len(asked) + json > 1:
        given = [f"--{name}" for name in asked] + ["--json"] * json
        raise typer.BadParameter(f"{' and '.join(given)} do not go together; take one of them.")
    told = Client(host).post("/api/show", {"model": model, "verbose": verbose})
    if json:
        print_json(told)
    elif asked:
        print(told.get(asked[0], ""))
    else:
        print("\n".join(card(told, verbose)))


def card(told: dict[str, Any], verbose: bool = False) -> Iterator[str]:
    """The lines of what a server told of a model."""
    yield from _section("Model", _columns(_facts(told)))
    if (projector := told.get("projector_info")) and not verbose:
        yield from _section("Projector", _columns(_projector(projector)))
    yield from _section("Capabilities", told["capabilities"])
    yield from _section("Parameters", _columns(_pairs(told.get("parameters", ""))))
    yield from _section("System", _beginning(told.get("system", "")))
    yield from _section("License", _beginning(told.get("license", "")))
    if verbose:
        yield from _section("Metadata", _columns(_written(told["model_info"])))
        yield from _section("Projector", _columns(_written(told.get("projector_info", {}))))
        tensors = [(one["name"], f"{one['type']:<8} {one['shape']}") for one in told["tensors"]]
        yield from _section("Tensors", _columns(tensors))


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield "  " + painted(title, sys.stdout, bold=True)
        yield from (f"    {line}" for line in lines)
        yield ""


def _columns(pairs: list[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in pairs), default=0)
    return [f"{name:<{width}}  {value}".rstrip() for name, value in pairs]


def _facts(told: dict[str, Any]) -> list[tuple[str, str]]:
    info, details = told["model_info"], told["details"]
    architecture = info.get("general.architecture") or details["family"]
    count = info.get("general.parameter_count")
    found = {
        "architecture": architecture,
        "parameters": details["parameter_size"] or (count_of(count) if count else ""),
        "context length": info.get(f"{architecture}.context_length"),
        "embedding length": info.get(f"{architecture}.embedding_length"),
        "quantization": details["quantization_level"],
        "renderer": told.get("renderer"),
        "parser": told.get("parser"),
        "requires": told.get("requires"),
    }
    return [(name, str(value)) for name, value in found.items() if value]


def _projector(info: dict[str, Any]) -> list[tuple[str, str]]:
    count = info.get("general.parameter_count")
    found = {
        "architecture": info.get("general.architecture"),
        "parameters": count_of(count) if count else "",
        "embedding length": info.get("clip.vision.embedding_length"),
        "dimensions": info.get("clip.vision.projection_dim"),
    }
    return [(name, str(value)) for name, value in found.items() if value]


def _pairs(lines: str) -> list[tuple[str, str]]:
    split = (line.partition(" ") for line in lines.splitlines())
    return [(name, value.strip()) for name, _, value in split]


def _beginning(text: str) -> list[str]:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return [*lines[:LINES], "…"] if len(lines) > LINES else lines


def _written(info: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, _short(value)) for name, value in info.items()]


def _short(value: Any) -> str:
    """Of a long list or text, as much as a line takes."""
    text = str(value).replace("\n", "\\n")
    return text if len(text) <= 60 else f"{text[:59]}…"
