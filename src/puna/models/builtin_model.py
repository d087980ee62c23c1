"""The model that comes with Puna, which needs no store."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from puna.models.blobs import Blobs
from puna.models.facts import facts
from puna.models.gguf import read
from puna.models.manifest import Manifest
from puna.models.model import Details, Model
from puna.models.names import Name
from puna.models.weights import arranged, manifest_of, opened

CRIA = Name("cria")
FILE = Path(__file__).with_name("builtin") / "cria.gguf"


@cache
def builtin_model() -> Model:
    """The model as it is used: its file, where it was installed."""
    status = FILE.stat()
    known = facts(read(FILE))
    return Model(
        name=CRIA,
        digest=hashlib.sha256(FILE.read_bytes()).hexdigest(),
        weights=(FILE,),
        size=status.st_size,
        modified=datetime.fromtimestamp(status.st_mtime, UTC),
        builtin=True,
        details=Details(
            family=known.architecture,
            families=known.families,
            parameter_size=known.parameter_size,
            quantization=known.quantization,
        ),
    )


def stored_builtin(blobs: Blobs) -> Manifest:
    """A manifest of the model, its file being copied into the store."""
    uploaded = {FILE.name: blobs.add_file(FILE)}
    return manifest_of(blobs, *arranged(blobs, list(opened(blobs, uploaded)), None))
