"""Where the engine's shared library lies, and whether it is the one that was recorded.

Nothing is opened here, and little imported: a runner's start begins with this.
"""

import base64
import hashlib
import os
import sys
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

from puna.errors import EngineMismatch

PACKAGE = "xllamacpp"
# A native build lies beside this file, which says what source it was built from.
BUILD_FILE = "puna-engine.version"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a library lies, and which version and hash were recorded for it."""

    path: Path
    version: str | None
    sha256: str | None

    def verify(self) -> "Origin":
        """Compare the file with its recorded hash; takes a tenth of a second."""
        if self.sha256 is None:
            return self
        found = _sha256(self.path)
        if found != self.sha256:
            raise EngineMismatch(
                f"The engine at {self.path} has SHA-256 {found}, recorded is {self.sha256}."
            )
        return self


def embedded() -> Origin:
    """The library inside the engine's wheel; the package itself is not imported."""
    for folder in map(Path, sys.path):
        for record in folder.glob(f"{PACKAGE}-*.dist-info/RECORD"):
            return _recorded(record)
    raise EngineMismatch(f"The engine's package {PACKAGE} is not installed.")


def _recorded(record: Path) -> Origin:
    """The library in a wheel's list of files: a line is a path, a hash and a size."""
    version = record.parent.name.removeprefix(f"{PACKAGE}-").removesuffix(".dist-info")
    for line in record.read_text().splitlines():
        path, _, rest = line.partition(",")
        if path.startswith(f"{PACKAGE}/{PACKAGE}") and path.endswith(".so"):
            sha256 = rest.partition(",")[0].removeprefix("sha256=")
            return Origin(record.parents[1] / path, version, _hex(sha256))
    raise EngineMismatch(f"The package {PACKAGE} {version} holds no shared library.")


def native(path: Path) -> Origin:
    """A library that was built from the same source, by its file or its folder."""
    if path.is_dir():
        names = ("libllama.so", "libllama.dylib")
        found = [path / name for name in names if (path / name).is_file()]
        if not found:
            raise EngineMismatch(f"The folder {path} holds no libllama.")
        path = found[0]
    if not path.is_file():
        raise EngineMismatch(f"There is no engine at {path}.")
    record = path.parent / BUILD_FILE
    recorded = record.read_text().split() if record.is_file() else []
    version, sha256 = (*recorded, "", "")[:2]
    return Origin(path, version or None, sha256 or None)


def chosen() -> Origin:
    """The engine that PUNA_ENGINE names, else the embedded one."""
    path = os.environ.get("PUNA_ENGINE", "")
    return native(Path(path)) if path else embedded()


def verified() -> Origin:
    """The chosen engine, compared with its recorded hash."""
    return chosen().verify()


def _hex(recorded: str) -> str | None:
    if not recorded:
        return None
    return base64.urlsafe_b64decode(recorded + "=" * (-len(recorded) % 4)).hex()


def _sha256(path: Path) -> str:
    """A file's hash, taken in one piece, so that other threads have the interpreter meanwhile."""
    if path.stat().st_size == 0:
        return hashlib.sha256().hexdigest()
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()
