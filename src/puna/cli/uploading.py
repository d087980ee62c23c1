"""Files on their way to a server, which takes each under the digest of its content."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from puna.cli.client import Client
from puna.cli.steps import Steps
from puna.errors import BadRequest

PORTION = 1 << 20


class Uploading:
    """Brings files; those that the server has already, it does not get again."""

    def __init__(self, client: Client, steps: Steps) -> None:
        self._client = client
        self._steps = steps

    def all(self, files: Sequence[Path]) -> dict[str, str]:
        """The digest of each file by its name, all of them being on the server."""
        named: dict[str, str] = {}
        for file in files:
            # Two folders may have files of one name.
            name = file.name if file.name not in named else f"{len(named)}-{file.name}"
            named[name] = self._brought(file)
        return named

    def _brought(self, file: Path) -> str:
        size = _size(file)
        hashed = hashlib.sha256()
        for portion in self._steps.counted(f"hashing {file.name}", size, _portions(file, size)):
            hashed.update(portion)
        digest = f"sha256:{hashed.hexdigest()}"
        path = f"/api/blobs/{digest}"
        if not self._client.has(path):
            portions = _portions(file, size)
            told = self._steps.counted(f"uploading {file.name}", size, portions)
            self._client.upload(path, told, size)
        return digest


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise _unreadable(file, error) from None


def _portions(file: Path, size: int) -> Iterator[bytes]:
    """The content, as long as it was when it was looked at."""
    left = size
    try:
        with file.open("rb") as opened:
            while left:
                portion = opened.read(min(PORTION, left))
                if not portion:
                    raise BadRequest(f"{file} became shorter while it was read.", "Try again.")
                left -= len(portion)
                yield portion
    except OSError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: OSError) -> BadRequest:
    return BadRequest(f"{file} cannot be read: {error.strerror}.")
