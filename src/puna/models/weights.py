"""GGUF files that become a model: which is what, checked, as layers of a manifest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from puna.errors import BadModelFile, BadRequest, MissingCapability
from puna.models import manifest as types
from puna.models.blobs import Blobs
from puna.models.digests import parse_digest
from puna.models.facts import facts
from puna.models.gguf import read
from puna.models.gguf.header import Header, read_file
from puna.models.manifest import Config, Layer, Manifest, Root, encode_config

MOST_FILES = 1024

Kind = Literal["model", "projector", "adapter"]

_TYPES: Mapping[Kind, str] = {
    "model": types.MODEL,
    "projector": types.PROJECTOR,
    "adapter": types.ADAPTER,
}


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file of a model."""

    name: str
    digest: str
    header: Header

    @property
    def kind(self) -> Kind:
        """What it is, by what it says of itself."""
        metadata = self.header.metadata
        match metadata.get("general.type"), metadata.get("general.architecture"):
            case "adapter", _:
                return "adapter"
            case (("mmproj" | "projector"), _) | (_, "clip"):
                return "projector"
            case _:
                return "model"

    @property
    def layer(self) -> Layer:
        """The layer that it becomes."""
        return Layer(_TYPES[self.kind], self.digest, self.header.size)


def opened(blobs: Blobs, files: Mapping[str, str]) -> Iterator[File]:
    """The files that were uploaded, each read as far as its header."""
    if len(files) > MOST_FILES:
        raise BadRequest(f"{len(files)} files are more than a model may have.")
    for name, given in sorted(files.items()):
        digest = parse_digest(given)
        if not blobs.has(digest):
            raise BadRequest(
                f"The blob {digest} of {name[:200]!r} is not in the store.",
                f"Upload it first, with POST /api/blobs/{digest}.",
            )
        path = blobs.find(digest)
        with path.open("rb") as file:
            beginning = file.read(9)
        if name.endswith(".safetensors") or beginning[8:] == b"{":
            raise MissingCapability(
                f"{name[:200]!r} is a safetensors file, and Puna runs GGUF.",
                "Convert it with llama.cpp's convert_hf_to_gguf.py, or take a GGUF of that model.",
            )
        try:
            yield File(name, digest, read_file(path))
        except BadModelFile as error:
            # People know the file by the name that they gave it.
            what = error.message.replace(path.name, name[:200])
            raise BadModelFile(what, error.mend) from None


def arranged(blobs: Blobs, files: list[File], config: Config | None) -> tuple[list[Layer], Config]:
    """The layers of these files, split ones in their order, and the config that they make.

    With a config, the weights are another model's, and these files come to them.
    """
    weights, projectors, adapters = (
        [one for one in files if one.kind == kind] for kind in ("model", "projector", "adapter")
    )
    if len(projectors) > 1:
        names = " and ".join(repr(one.name) for one in projectors)
        raise BadRequest(f"A model has one projector, and {names} came.")
    if weights and config is not None:
        raise BadRequest(
            f"{weights[0].name!r} holds weights, and so does the model in `from`.",
            "Give one of the two.",
        )
    if config is None:
        if not weights:
            raise BadRequest(
                "None of the files holds a model's weights.",
                "Give the model's own GGUF file as well, or name a model in `from`.",
            )
        weights, config = _weights(blobs, weights)
    rest = [*projectors, *adapters]
    return [one.layer for one in (*weights, *rest)], _with_families(config, rest)


def manifest_of(blobs: Blobs, layers: Sequence[Layer], config: Config) -> Manifest:
    """The manifest of these layers; the config becomes a blob."""
    root = Root(diff_ids=tuple(layer.digest for layer in layers))
    data = encode_config(msgspec.structs.replace(config, rootfs=root))
    layer = Layer(types.CONFIG_TYPE, blobs.add(data), len(data))
    return Manifest(config=layer, layers=tuple(layers))


def _weights(blobs: Blobs, files: list[File]) -> tuple[list[File], Config]:
    header = read(*(blobs.find(one.digest) for one in files))
    known = facts(header)
    by_path = {blobs.find(one.digest): one for one in files}
    config = Config(
        model_format="gguf",
        model_family=known.architecture,
        model_families=known.families,
        model_type=known.parameter_size,
        file_type=known.quantization,
    )
    return [by_path[path] for path in header.parts], config


def _with_families(config: Config, files: list[File]) -> Config:
    """The config with the families of what comes to the weights, as Ollama lists them."""
    families = list(config.model_families or ())
    for one in files:
        family = one.header.metadata.get("general.architecture")
        if isinstance(family, str) and family not in families:
            families.append(family)
    return msgspec.structs.replace(config, model_families=tuple(families))
