"""Libraries that people built themselves, from the same source: taken in where they lie."""

import hashlib
from pathlib import Path

from puna.builds.record import Record, now
from puna.builds.shelf import Shelf
from puna.engine import abi
from puna.engine.origin import native, sha256_of

_KINDS = (".so", ".dylib")
_BEGINNINGS = ("libllama", "libggml", "libmtmd")


def taken_in(shelf: Shelf, path: Path) -> Record:
    """Put a library, by its file or its folder, on the shelf; it has to prove itself yet."""
    origin = native(path.resolve())
    folder = origin.path.parent
    files = {
        file.name: sha256_of(file)
        for file in sorted(folder.iterdir())
        if file.suffix in _KINDS and file.name.startswith(_BEGINNINGS)
    }
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    record = Record(
        name=f"own-{mark}",
        version=origin.version or abi.VERSION,
        files=files,
        variant="your own",
        built=now(),
        at=str(folder),
    )
    shelf.keep(record)
    return record
