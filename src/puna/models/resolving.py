"""From a manifest to a model: its blobs found, its small ones read and checked."""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from puna.errors import BadModelFile, BadRequest, MissingCapability, StoreDamaged
from puna.jobs import ImagePart, Message, Part, Role, TextPart, ToolCall
from puna.models import manifest as types
from puna.models.blobs import Blobs
from puna.models.manifest import Config, Layer, Manifest, decode_config
from puna.models.model import Details, Model
from puna.models.parameters import PARAMETERS
from puna.models.revisions import Revision

# Licences and conversations with images can be long.
MOST_TEXT = 16 << 20


class _Function(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, Any] = {}


class _Call(msgspec.Struct, frozen=True):
    function: _Function
    id: str = ""


class StoredMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as Ollama stores it."""

    role: str
    content: str = ""
    thinking: str = ""
    images: tuple[str, ...] | None = None
    tool_calls: tuple[_Call, ...] | None = None
    tool_name: str = ""

    def message(self) -> Message:
        """The same in its canonical form."""
        images = tuple(ImagePart(_image(text)) for text in self.images or ())
        text: tuple[Part, ...] = (TextPart(self.content),) if self.content else ()
        return Message(
            role=msgspec.convert(self.role.lower(), Role),
            parts=(*images, *text),
            thinking=self.thinking,
            tool_calls=tuple(
                ToolCall(call.function.name, call.function.arguments, call.id)
                for call in self.tool_calls or ()
            ),
            tool_name=self.tool_name,
        )


def resolve(blobs: Blobs, revision: Revision) -> Model:
    """The model that a revision is; an error says what of it is missing or broken."""
    try:
        return _resolve(blobs, revision)
    except StoreDamaged as error:
        raise StoreDamaged(f"{revision.name} cannot be used: {error.message}", error.mend) from None


def config_of(blobs: Blobs, revision: Revision) -> Config:
    """The config that a revision names."""
    return stored_config(blobs, revision.manifest, str(revision.name))


def stored_config(blobs: Blobs, manifest: Manifest, where: str) -> Config:
    """The config of a manifest; old ones may have none. `where` names it in errors."""
    digest = manifest.config.digest
    return decode_config(blobs.read(digest, types.MOST_BYTES), where) if digest else Config()


def _resolve(blobs: Blobs, revision: Revision) -> Model:
    layers: dict[str, list[Layer]] = {}
    for layer in revision.manifest.layers:
        layers.setdefault(layer.media_type, []).append(layer)

    def files(kind: str) -> tuple[Path, ...]:
        return tuple(_file(blobs, layer) for layer in layers.get(kind, ()))

    def texts(*kinds: str) -> tuple[str, ...]:
        found = (layer for kind in kinds for layer in layers.get(kind, ()))
        return tuple(_text(blobs, layer) for layer in found)

    def last(*kinds: str) -> str:
        return "".join(texts(*kinds)[-1:])

    config = config_of(blobs, revision)
    weights = files(types.MODEL)
    if not weights:
        raise MissingCapability(
            f"{revision.name} has no weights that Puna can run.",
            "It runs at another host, or has weights of another format than GGUF.",
        )
    written = last(types.PROMPT, types.TEMPLATE)
    return Model(
        name=revision.name,
        digest=revision.digest,
        weights=weights,
        size=revision.manifest.size,
        modified=revision.since,
        projector=next(iter(files(types.PROJECTOR)), None),
        adapters=files(types.ADAPTER),
        # Such models bring code of Ollama's in place of a template; here the file's own does.
        template="" if config.renderer or config.parser else written,
        system=last(types.SYSTEM),
        parameters=_parameters(last(types.PARAMETERS), revision),
        messages=_messages(last(types.MESSAGES), revision),
        licenses=texts(types.LICENSE),
        renderer=config.renderer,
        parser=config.parser,
        requires=config.requires,
        parent=layers[types.MODEL][0].from_,
        written_template=written,
        details=Details(
            format=config.model_format,
            family=config.model_family,
            families=config.model_families or (),
            parameter_size=config.model_type,
            quantization=config.file_type,
        ),
    )


def _file(blobs: Blobs, layer: Layer) -> Path:
    path = blobs.find(layer.digest)
    size = path.stat().st_size
    if size != layer.size:
        raise StoreDamaged(
            f"The blob {layer.digest} has {size} bytes, its manifest says {layer.size}.",
            "Pull or create the model again.",
        )
    return path


def _text(blobs: Blobs, layer: Layer) -> str:
    return blobs.read(layer.digest, MOST_TEXT).decode(errors="replace")


def decode_parameters(text: bytes | str, where: str) -> dict[str, Any]:
    """A model's parameters from hostile text; `where` names the model in errors."""
    return _json(text, dict[str, Any], where)


def _parameters(text: str, revision: Revision) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, value in decode_parameters(text or "{}", str(revision.name)).items():
        known = PARAMETERS.get(name)
        try:
            # One that nobody knows is kept, so that whoever runs the model can say so.
            found[name] = known.checked(value) if known else value
        except BadRequest as error:
            raise BadModelFile(f"{revision.name}: {error.message}") from None
    return found


def _messages(text: str, revision: Revision) -> tuple[Message, ...]:
    stored = _json(text or "[]", list[StoredMessage], str(revision.name))
    try:
        return tuple(one.message() for one in stored)
    except msgspec.ValidationError as error:
        raise BadModelFile(f"A message of {revision.name} is broken: {error}.") from None


def _json(text: bytes | str, kind: Any, where: str) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadModelFile(f"A layer of {where} is broken: {error}.") from None


def _image(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadModelFile("An image of a message is not base64.") from None
