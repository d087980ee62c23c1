"""Creates a model: from files, from another model, and from what a Modelfile adds to it."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from puna.errors import BadRequest, ModelNotFound
from puna.models import manifest as types
from puna.models.blobs import Blobs
from puna.models.digests import digest_of
from puna.models.instructions import ROLES
from puna.models.library import Library
from puna.models.manifest import Config, Layer, Manifest, decode_manifest, encode
from puna.models.modelfile import checked_version
from puna.models.names import Name
from puna.models.parameters import OBSOLETE, parameter
from puna.models.quantization import quantization
from puna.models.quantizing import Progress, Quantizer, no_quantizer, quantized, weights_of
from puna.models.requests import CreateRequest
from puna.models.resolving import MOST_TEXT, decode_parameters, stored_config
from puna.models.weights import File, arranged, manifest_of, opened

Text = tuple[str, bytes]


def create(
    library: Library, request: CreateRequest, quantizer: Quantizer = no_quantizer
) -> Iterator[str | Progress]:
    """Create the model that is asked for, saying what is done, in Ollama's words.

    Nothing has its name until the last step. Broken off before, this leaves blobs that nobody
    refers to, which a collection removes.
    """
    name, blobs = _target(request), library.store.blobs
    with library.store.change() as change:
        # From here on they count as young, so that no collection takes them.
        base = _base(library, request.from_)
        matrix = (request.imatrix,) if request.imatrix else ()
        change.hold(*base.digests, *request.files.values(), *request.adapters.values(), *matrix)
    files = [*opened(blobs, request.files), *_adapters(blobs, request)]
    yield from ("parsing GGUF" for _ in files)
    config = stored_config(blobs, base, request.from_) if request.from_ else None
    added, config = arranged(blobs, files, config)
    if request.storage:
        weights = weights_of(added) or weights_of(base.layers)
        stored = yield from quantized(blobs, weights, request.storage, request.imatrix, quantizer)
        if stored is not None:
            added = [stored.layer, *(one for one in added if one.media_type != types.MODEL)]
            config = msgspec.structs.replace(config, file_type=quantization(stored.header))
    config = _wished(config, request)
    for obsolete in sorted(OBSOLETE & (request.parameters or {}).keys()):
        yield f"the parameter {obsolete} has no effect any more"
    texts = _texts(blobs, base.layers, request)
    kept = _kept(base.layers, added, texts)
    yield from (f"using existing layer {layer.digest}" for layer in kept)
    for _, data in texts:
        state = "using existing" if blobs.has(digest_of(data)) else "creating new"
        yield f"{state} layer {digest_of(data)}"
    yield "writing manifest"
    with library.store.change() as change:
        written = [Layer(kind, blobs.add(data), len(data)) for kind, data in texts]
        change.put(name, encode(manifest_of(blobs, [*kept, *written], config)))
    yield "success"


def _target(request: CreateRequest) -> Name:
    name = Name.parse(request.model or request.name)
    if name.revision:
        raise BadRequest(f"{name} is a revision, which never changes.", "Leave out what follows @.")
    if not request.from_ and not request.files:
        raise BadRequest("Neither `from` nor `files` says what the model is made of.")
    return name


def _base(library: Library, source: str) -> Manifest:
    """The manifest of the model in `from`, its layers saying so; empty, where there is none."""
    if not source:
        return Manifest()
    try:
        name = Name.parse(source)
        manifest = decode_manifest(library.manifest_data(name), source)
    except ModelNotFound as error:
        raise ModelNotFound(
            error.message, "Puna does not pull models yet: create it from its GGUF file first."
        ) from None
    except BadRequest as error:
        raise BadRequest(
            f"{source[:200]!r} is neither a file that is there nor a model's name.",
            "Puna does not pull from addresses yet; fetch the GGUF file and name it.",
        ) from error
    layers = (msgspec.structs.replace(layer, from_=str(name)) for layer in manifest.layers)
    return msgspec.structs.replace(manifest, layers=tuple(layers))


def _adapters(blobs: Blobs, request: CreateRequest) -> Iterator[File]:
    for file in opened(blobs, request.adapters):
        if file.kind != "adapter":
            raise BadRequest(f"{file.name!r} is no adapter but a {file.kind}.")
        yield file


def _wished(config: Config, request: CreateRequest) -> Config:
    return msgspec.structs.replace(
        config,
        renderer=request.renderer or config.renderer,
        parser=request.parser or config.parser,
        requires=checked_version(request.requires) if request.requires else config.requires,
    )


def _texts(blobs: Blobs, inherited: Sequence[Layer], request: CreateRequest) -> list[Text]:
    """The small layers that the request makes, in Ollama's order."""
    texts = [
        *((types.TEMPLATE, text.encode()) for text in (request.template,) if text),
        *((types.SYSTEM, text.encode()) for text in (request.system,) if text),
        *((types.LICENSE, text.encode()) for text in request.licenses),
    ]
    given = {
        name: parameter(name).checked(value)
        for name, value in (request.parameters or {}).items()
        if value is not None and name not in OBSOLETE
    }
    if given:
        merged = {**_parameters(blobs, inherited), **given}
        texts.append((types.PARAMETERS, encode(dict(sorted(merged.items())))))
    if request.messages:
        for message in request.messages:
            if message.role not in ROLES:
                raise BadRequest(
                    f"{message.role[:100]!r} is no role of a message.",
                    "It is system, user or assistant.",
                )
        stored = [
            {"role": message.role, "content": message.content} | msgspec.to_builtins(message)
            for message in request.messages
        ]
        texts.append((types.MESSAGES, encode(stored)))
    for kind, data in texts:
        if len(data) > MOST_TEXT:
            raise BadRequest(
                f"The {kind.rpartition('.')[2]} of a model has {MOST_TEXT} bytes at most."
            )
    return texts


def _parameters(blobs: Blobs, inherited: Sequence[Layer]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for layer in inherited:
        if layer.media_type == types.PARAMETERS:
            found |= decode_parameters(blobs.read(layer.digest, MOST_TEXT), "`from`")
    return found


def _kept(inherited: Sequence[Layer], added: Sequence[Layer], texts: Sequence[Text]) -> list[Layer]:
    """What goes into the manifest besides the texts: licences and adapters add up, of all else
    the new takes the place of the old.
    """
    replaced = {kind for kind, _ in texts} | {layer.media_type for layer in added}
    replaced -= {types.LICENSE, types.ADAPTER}
    if types.TEMPLATE in replaced:
        replaced.add(types.PROMPT)
    again = {(kind, digest_of(data)) for kind, data in texts}
    again |= {(layer.media_type, layer.digest) for layer in added}
    old = [
        layer
        for layer in inherited
        if layer.media_type not in replaced and (layer.media_type, layer.digest) not in again
    ]
    return [*old, *added]
