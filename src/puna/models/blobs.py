"""Blobs: immutable files, each under the digest of its content."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from puna.errors import BadRequest, StoreDamaged
from puna.models.digests import digest_of, parse_digest
from puna.models.durable import Partial

CHUNK = 1 << 20


class Upload:
    """A blob on its way in: write, then commit or abort. Left without a commit, it is aborted."""

    def __init__(self, blobs: "Blobs", expected: str | None) -> None:
        self._blobs = blobs
        self._expected = expected
        self._hash = hashlib.sha256()
        self._partial = Partial(blobs.folder)

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._hash.update(data)
        self._partial.write(data)

    def commit(self) -> str:
        """Put the blob in its place, if its digest is what was said, and return the digest."""
        digest = f"sha256:{self._hash.hexdigest()}"
        if self._expected not in (None, digest):
            self.abort()
            raise BadRequest(
                f"What was sent has the digest {digest}, not {self._expected}.", "Send it again."
            )
        self._partial.publish(self._blobs.path(digest))
        return digest

    def abort(self) -> None:
        """Give it up."""
        self._partial.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()


class Blobs:
    """The folder of all blobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Where the blob of this digest lies, or would."""
        return self.folder / parse_digest(digest).replace(":", "-")

    def find(self, digest: str) -> Path:
        """The file of a blob that is there."""
        path = self.path(digest)
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            mode = 0
        linked = stat.S_ISLNK(mode)
        if not (path.is_file() if linked else stat.S_ISREG(mode)):
            raise StoreDamaged(
                f"The blob {digest} is not in the store.",
                "It was removed by another program, or never came: pull or create the model again.",
            )
        if linked and not lies_within(path, self.folder):
            raise StoreDamaged(
                f"The blob {digest} is a link that leads out of the store.",
                "Put the file itself there; the whole folder may be a link.",
            )
        return path

    def has(self, digest: str) -> bool:
        """Whether this blob is there."""
        try:
            return bool(self.find(digest))
        except StoreDamaged:
            return False

    def read(self, digest: str, most: int) -> bytes:
        """A small blob's content, proved against its digest."""
        with self.find(digest).open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise StoreDamaged(f"The blob {digest} is larger than the {most} bytes it may have.")
        if digest_of(data) != parse_digest(digest):
            raise StoreDamaged(
                f"The blob {digest} is not what its name says.", "Pull or create the model again."
            )
        return data

    def upload(self, expected: str | None = None) -> Upload:
        """A new blob; with an expected digest, only what has it is taken."""
        return Upload(self, None if expected is None else parse_digest(expected))

    def add(self, data: bytes) -> str:
        """Make a blob of these bytes, unless there is one; returns the digest."""
        digest = digest_of(data)
        if not self.has(digest):
            with self.upload(digest) as upload:
                upload.write(data)
                upload.commit()
        return digest

    def add_file(self, source: Path) -> str:
        """Make a blob of a file's content, unless there is one; returns the digest."""
        with source.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
            if self.has(digest):
                return digest
            file.seek(0)
            with self.upload(digest) as upload:
                while chunk := file.read(CHUNK):
                    upload.write(chunk)
                return upload.commit()

    def touch(self, digest: str) -> None:
        """Say that somebody is about to refer to this blob, so that it counts as young."""
        # A store that belongs to another user can be read from, though not touched.
        with suppress(PermissionError):
            os.utime(self.find(digest))

    def all(self) -> Iterator[str]:
        """The digest of every file that has a blob's name."""
        for path in self.entries():
            with suppress(BadRequest):
                digest = parse_digest(path.name)
                if self.path(digest).name == path.name:
                    yield digest

    def entries(self) -> list[Path]:
        """Every file in the folder, partial ones and strangers included."""
        return sorted(self.folder.iterdir()) if self.folder.is_dir() else []


def lies_within(path: Path, *folders: Path) -> bool:
    """Whether a file, wherever links lead, lies in one of these folders or below."""
    parents = path.resolve().parents
    return any(folder.resolve() in parents for folder in folders)
