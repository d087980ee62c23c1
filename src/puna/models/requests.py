"""What is asked for when a model is created: the body of Ollama's `POST /api/create`."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

import msgspec

from puna.errors import BadRequest, MissingCapability
from puna.models.gguf import siblings
from puna.models.modelfile import Modelfile
from puna.models.resolving import StoredMessage

_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


class CreateRequest(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A model to be created. `files` and `adapters` map the names of files to uploaded blobs."""

    model: str = ""
    from_: str = ""
    files: dict[str, str] = {}
    adapters: dict[str, str] = {}
    template: str = ""
    system: str = ""
    license: str | list[str] = []
    parameters: dict[str, Any] | None = None
    messages: list[StoredMessage] | None = None
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    quantize: str = ""
    # The digest of an importance matrix, for quantizing.
    imatrix: str = ""
    # Ollama's older words for the model and for quantizing.
    name: str = ""
    quantization: str = ""

    @property
    def storage(self) -> str:
        """How the weights shall be stored, whichever way that was given."""
        return self.quantize or self.quantization

    @property
    def licenses(self) -> list[str]:
        """All licences, whichever way they were given."""
        given = [self.license] if isinstance(self.license, str) else self.license
        return [text for text in given if text]


def read_request(body: bytes) -> CreateRequest:
    """The request that a body is, or an error that names the field; null is left out."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, Any])
        given = {name: value for name, value in fields.items() if value is not None}
        return msgspec.convert(given, CreateRequest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"The body is no request to create a model: {error}.") from None


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a Modelfile's parts come from: a model's name, and files on this machine."""

    model: str
    files: tuple[Path, ...]
    adapters: tuple[Path, ...]


def sources(modelfile: Modelfile, folder: Path) -> Sources:
    """What FROM and ADAPTER name, seen from the Modelfile's folder.

    A FROM that is no file is a model's name. One part of a split file stands for all of them.
    """
    models: list[str] = []
    files: list[Path] = []
    for source in modelfile.sources:
        found = _files(source, folder)
        files += found
        if not found:
            models.append(source)
    if len(models) > 1:
        raise BadRequest(
            f"Neither {models[0]!r} nor {models[1]!r} is a file, and a model has one base.",
            "Leave one FROM that names a model, or correct the path.",
        )
    adapters = [(adapter, _files(adapter, folder)) for adapter in modelfile.adapters]
    for adapter, found in adapters:
        if not found:
            raise BadRequest(f"There is no adapter {adapter!r}.", "ADAPTER takes a GGUF file.")
    return Sources(
        "".join(models),
        tuple(dict.fromkeys(files)),
        tuple(dict.fromkeys(path for _, found in adapters for path in found)),
    )


def request_of(
    modelfile: Modelfile,
    model: str,
    source: str = "",
    files: Mapping[str, str] | None = None,
    adapters: Mapping[str, str] | None = None,
) -> CreateRequest:
    """The request for what a Modelfile says, its files being uploaded already."""
    return CreateRequest(
        model=model,
        from_=source,
        files=dict(files or {}),
        adapters=dict(adapters or {}),
        template=modelfile.template or "",
        system=modelfile.system or "",
        license=list(modelfile.licenses),
        parameters=dict(modelfile.parameters),
        messages=[StoredMessage(role, text) for role, text in modelfile.messages],
        renderer=modelfile.renderer,
        parser=modelfile.parser,
        requires=modelfile.requires,
    )


def _files(source: str, folder: Path) -> list[Path]:
    if "://" in source:
        return []
    path = os.path.join(folder, os.path.expanduser(source))
    found = [Path(one) for one in ([path] if os.path.exists(path) else sorted(glob(path)))]
    return [file for one in found for file in _model_files(one)]


def _model_files(path: Path) -> Sequence[Path]:
    if path.is_dir():
        return _within(path)
    return siblings(path) if _PART.search(path.name) else [path]


def _within(folder: Path) -> list[Path]:
    if files := sorted(folder.glob("*.gguf")):
        return files
    if any(folder.glob("*.safetensors")):
        raise MissingCapability(
            f"{folder} holds safetensors, and Puna runs GGUF.",
            "Convert it with llama.cpp's convert_hf_to_gguf.py, or take a GGUF of that model.",
        )
    raise BadRequest(f"{folder} holds no GGUF file.")
