"""A model's weights stored in another way while it is created.

Who quantizes is given from above; here is what it is given, and what becomes of its file.
"""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from puna.errors import MissingCapability
from puna.models import manifest as types
from puna.models.blobs import Blobs
from puna.models.durable import Partial
from puna.models.gguf import read
from puna.models.gguf.header import read_file
from puna.models.manifest import Layer
from puna.models.quantization import known_name, quantization
from puna.models.weights import File

# What was stored with fewer bits already has lost something before.
_WHOLE = ("F32", "F16", "BF16")


class Quantizer(Protocol):
    """Stores a model's weights in another way, naming each tensor that is done.

    `matrix` is a file that says which weights matter most.
    """

    def __call__(
        self, source: Sequence[Path], target: Path, kind: str, matrix: Path | None
    ) -> Iterator[str]:
        """Do it."""
        ...


def no_quantizer(
    source: Sequence[Path], target: Path, kind: str, matrix: Path | None
) -> Iterator[str]:
    """What quantizes where there is nothing to do it with."""
    raise MissingCapability(
        f"To store the model as {kind} needs the native engine's quantizer.",
        "`puna engine build` makes one; or take a GGUF file that is quantized already.",
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of a model's bytes have been stored in another way."""

    status: str
    completed: int
    total: int

    def __str__(self) -> str:
        return self.status


def quantized(
    blobs: Blobs, weights: Sequence[str], kind: str, matrix: str, quantizer: Quantizer
) -> Generator[str | Progress, None, File | None]:
    """Store the weights of these digests as `kind`; None where that is what they are."""
    kind = known_name(kind)
    sources = [blobs.find(digest) for digest in weights]
    header = read(*sources)
    was = quantization(header)
    if was == kind:
        return None
    if was not in _WHOLE:
        yield f"the weights are {was} already, so that they lose once more"
    status, done = f"quantizing {was} model to {kind}", 0
    sizes = {tensor.name: tensor.size for tensor in header.tensors}
    yield Progress(status, 0, header.tensor_bytes)
    with TemporaryDirectory() as scratch, Partial(blobs.folder) as partial:
        parts = _parts([*header.parts], Path(scratch))
        found = blobs.find(matrix) if matrix else None
        for tensor in quantizer(parts, partial.path, kind, found):
            done = min(done + sizes.get(tensor, 0), header.tensor_bytes)
            yield Progress(status, done, header.tensor_bytes)
        yield "checking what was written"
        with partial.path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        partial.publish(blobs.path(digest))
    return File(f"{kind}.gguf", digest, read_file(blobs.find(digest)))


def weights_of(layers: Sequence[Layer]) -> list[str]:
    """The digests of a manifest's weights."""
    return [layer.digest for layer in layers if layer.media_type == types.MODEL]


def _parts(files: list[Path], folder: Path) -> list[Path]:
    """The files under names by which the engine finds all from the first."""
    if len(files) == 1:
        return files
    links = [
        folder / f"model-{place:05}-of-{len(files):05}.gguf" for place in range(1, len(files) + 1)
    ]
    for link, file in zip(links, files, strict=True):
        link.symlink_to(file.resolve())
    return links
