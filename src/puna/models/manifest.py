"""Manifests and their config blobs, byte for byte as Ollama writes them."""

import re
from typing import Any, Final, TypeVar

import msgspec

from puna.errors import BadModelFile
from puna.models.digests import is_digest, parse_digest

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_IMAGE = "application/vnd.ollama.image."
MODEL: Final = f"{_IMAGE}model"
PROJECTOR: Final = f"{_IMAGE}projector"
ADAPTER: Final = f"{_IMAGE}adapter"
TEMPLATE: Final = f"{_IMAGE}template"
PROMPT: Final = f"{_IMAGE}prompt"
SYSTEM: Final = f"{_IMAGE}system"
PARAMETERS: Final = f"{_IMAGE}params"
MESSAGES: Final = f"{_IMAGE}messages"
LICENSE: Final = f"{_IMAGE}license"

_Kind = TypeVar("_Kind")

_LIST = re.compile(r"manifest\.list|image\.index")

MOST_BYTES = 4 << 20
MOST_LAYERS = 10_000


class Layer(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    rename={"media_type": "mediaType", "from_": "from"},
):
    """A blob and what it is in a model; `from_` says which model it was taken from."""

    media_type: str
    digest: str
    size: int
    from_: str = ""


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What a model is made of."""

    schema_version: int = 2
    media_type: str = MANIFEST_TYPE
    config: Layer = Layer(CONFIG_TYPE, "", 0)
    layers: tuple[Layer, ...] = ()

    @property
    def digests(self) -> set[str]:
        """All blobs that this refers to."""
        return {parse_digest(layer.digest) for layer in self.all_layers}

    @property
    def all_layers(self) -> tuple[Layer, ...]:
        """The layers, and the config where there is one."""
        return (self.config, *self.layers) if self.config.digest else self.layers

    @property
    def size(self) -> int:
        """How many bytes all of it is."""
        return sum(layer.size for layer in self.all_layers)


class Root(msgspec.Struct, frozen=True):
    """What container registries want to find in a config."""

    type: str = "layers"
    diff_ids: tuple[str, ...] | None = None


class Config(msgspec.Struct, frozen=True):
    """What a model's weights are, for those who list models, and how it wants to be run.

    `others` are fields that Puna does not know: a model made of this one has them too.
    """

    model_format: str = ""
    model_family: str = ""
    model_families: tuple[str, ...] | None = None
    model_type: str = ""
    file_type: str = ""
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    remote_host: str = ""
    remote_model: str = ""
    capabilities: tuple[str, ...] | None = None
    context_length: int = 0
    embedding_length: int = 0
    base_name: str = ""
    architecture: str = "amd64"
    os: str = "linux"
    rootfs: Root = Root()
    others: dict[str, Any] = {}


_KNOWN = frozenset(Config.__struct_fields__)
_WRITTEN_WHEN_EMPTY = {
    "model_format", "model_family", "model_families", "model_type", "file_type",
    "architecture", "os", "rootfs",
}  # fmt: skip


def decode_manifest(data: bytes, where: str) -> Manifest:
    """A manifest from hostile bytes; `where` names it in errors."""
    manifest = _decoded(data, Manifest, where)
    if _LIST.search(manifest.media_type):
        raise BadModelFile(f"The manifest {where} is a list of several, which Puna cannot read.")
    if len(manifest.layers) > MOST_LAYERS:
        raise BadModelFile(f"The manifest {where} has {len(manifest.layers)} layers.")
    for layer in manifest.all_layers:
        if not is_digest(layer.digest) or layer.size < 0:
            raise BadModelFile(
                f"The manifest {where} has a layer {layer.digest[:100]!r} of {layer.size} bytes."
            )
    return manifest


def decode_config(data: bytes, where: str) -> Config:
    """A config from hostile bytes; `where` names its model in errors."""
    fields = _decoded(data, dict[str, Any], where)
    others = {name: value for name, value in fields.items() if name not in _KNOWN - {"others"}}
    known = {name: value for name, value in fields.items() if name not in others}
    try:
        return msgspec.convert({**known, "others": others}, Config)
    except msgspec.ValidationError as error:
        raise _broken(where, error) from None


def encode_config(config: Config) -> bytes:
    """A config as Ollama writes it; what only others know stands behind what it knows."""
    fields = msgspec.to_builtins(config)
    others = fields.pop("others")
    known = {name: value for name, value in fields.items() if value or name in _WRITTEN_WHEN_EMPTY}
    return encode(known | others)


def encode(value: Any) -> bytes:
    """JSON as Go's encoder writes it: HTML's own characters escaped, and a line's end."""
    text = msgspec.json.encode(_whole(msgspec.to_builtins(value)))
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character.encode(), rf"\u{ord(character):04x}".encode())
    return text + b"\n"


def _whole(value: Any) -> Any:
    """The same with every number that is whole written without a fraction."""
    match value:
        case float() if value.is_integer() and abs(value) < 1e21:
            return int(value)
        case dict():
            return {name: _whole(one) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list() | tuple():
            return [_whole(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def _decoded(data: bytes, kind: type[_Kind], where: str) -> _Kind:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _broken(where, error) from None


def _broken(where: str, error: Exception) -> BadModelFile:
    return BadModelFile(f"The manifest of {where} is broken: {error}.")
