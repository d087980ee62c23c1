"""Where the engine's shared library lies, and whether it is the one that was recorded.

Nothing is opened here, and little imported: a runner's start begins with this.
"""

import base64
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from puna.errors import EngineMismatch

PACKAGE = "xllamacpp"
# A native build lies beside this file, which says what it was built from and what its files are.
BUILD_FILE = "puna-engine.json"
LIBRARIES = ("libllama.so", "libllama.dylib")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a library lies, its version, and the hash recorded for it and for its companions."""

    path: Path
    version: str | None
    sha256: str | None
    companions: tuple[tuple[Path, str], ...] = ()

    def verify(self) -> "Origin":
        """Compare the files with their recorded hashes; takes a tenth of a second."""
        recorded = [(self.path, self.sha256), *self.companions]
        for path, sha256 in recorded:
            found = sha256 and sha256_of(path)
            if found != sha256:
                raise EngineMismatch(
                    f"The engine at {path} has SHA-256 {found}, recorded is {sha256}."
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
    """A library that was built from the same source, by its file or its folder.

    Its record may lie in a folder of its own, and then says where the library is.
    """
    folder = path if path.is_dir() else path.parent
    record = _record(folder / BUILD_FILE)
    folder = Path(record.get("at") or folder)
    if path.is_dir():
        found = [folder / name for name in LIBRARIES if (folder / name).is_file()]
        if not found:
            raise EngineMismatch(f"The folder {folder} holds no libllama.")
        path = found[0]
    if not path.is_file():
        raise EngineMismatch(f"There is no engine at {path}.")
    files: dict[str, str] = record.get("files", {})
    companions = tuple((folder / name, files[name]) for name in files if name != path.name)
    return Origin(path, record.get("version"), files.get(path.name), companions)


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineMismatch(f"The engine's record {path} cannot be read: {error}.") from None
    return record


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


def sha256_of(path: Path) -> str:
    """A file's hash, taken in one piece, so that other threads have the interpreter meanwhile."""
    if path.stat().st_size == 0:
        return hashlib.sha256().hexdigest()
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()
