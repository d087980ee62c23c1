"""`puna create`: a model of a Modelfile; files that the server lacks are brought to it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from puna.cli.client import Client
from puna.cli.options import Host
from puna.cli.terminal import tell
from puna.errors import BadRequest

USUAL = Path("Modelfile")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name that it gets.")]
File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="Its Modelfile; by default ./Modelfile.",
        show_default=False,
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="MODEL", help="What it is made of, in place of FROM.", show_default=False
    ),
]
Quantize = Annotated[
    str | None,
    typer.Option(
        "--quantize", "-q", metavar="QUANT", help="How its weights become stored: Q4_K_M, Q8_0, …",
        show_default=False,
    ),
]  # fmt: skip

Matrix = Annotated[
    Path | None,
    typer.Option(
        "--imatrix",
        metavar="FILE",
        help="Which weights matter most when they are quantized.",
        show_default=False,
    ),
]


def create(
    name: Name,
    file: File = None,
    source: From = None,
    quantize: Quantize = None,
    imatrix: Matrix = None,
    host: Host = None,
) -> None:
    """Make a model of files, or of another one.

    FROM and ADAPTER in the Modelfile name models, GGUF files or folders of them, seen from the
    Modelfile's folder. A file goes to the server only if it is not there yet.
    """
    import msgspec

    from puna.cli.steps import Steps
    from puna.cli.uploading import Uploading
    from puna.models.requests import request_of, sources

    modelfile, folder = _modelfile(file, source)
    for warning in modelfile.warnings:
        tell(warning)
    found = sources(modelfile, folder)
    client = Client(host)
    with Steps() as steps:
        uploading = Uploading(client, steps)
        files, adapters = uploading.all(found.files), uploading.all(found.adapters)
        request = request_of(modelfile, name, found.model, files, adapters)
        matrix = "".join(uploading.all([imatrix] if imatrix else []).values())
        wishes = msgspec.structs.replace(request, quantize=quantize or "", imatrix=matrix)
        for line in client.stream("/api/create", msgspec.to_builtins(wishes)):
            steps.told(line)
    print(f"Created {name}.")


def _modelfile(file: Path | None, source: str | None) -> tuple[Any, Path]:
    """What the model is made of, and the folder from which paths are seen."""
    from dataclasses import replace

    from puna.models.modelfile import Modelfile, parse

    if source is not None and file is None:
        return Modelfile(sources=(source,)), Path()
    text = _read(file or USUAL)
    if source is None:
        return parse(text), (file or USUAL).parent
    # A Modelfile without FROM does as well, then.
    whole = text + b"\nFROM " + source.encode() + b"\n"
    return replace(parse(whole), sources=(source,)), (file or USUAL).parent


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise BadRequest(
            f"There is no Modelfile {str(file)!r}.",
            "Name one with -f, or say with --from what the model is made of.",
        ) from None
    except OSError as error:
        raise BadRequest(f"The Modelfile {str(file)!r} cannot be read: {error.strerror}.") from None
