"""Files that appear whole or not at all, and a lock that processes of one store share."""

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from puna.errors import StoreDamaged, StoreUnwritable

PREFIX = ".partial-"


class Partial:
    """A file on its way: written beside its place under a name of its own, then renamed.

    Its writer holds a lock on it while it lives, by which a sweeper knows that it is in use.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = -1
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            while self._descriptor < 0:
                self.path = folder / f"{PREFIX}{uuid4().hex}"
                self._descriptor = _claimed(self.path)

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        rest = memoryview(data)
        with writing(self.path):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def publish(self, target: Path) -> None:
        """Make it durable and put it in its place, in place of what may be there."""
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.fsync(self._descriptor)
            try:
                os.replace(self.path, target)
            except FileNotFoundError:
                raise StoreDamaged(
                    f"{self.path} was taken away while it was being written.",
                    "Another program cleans this store; try again.",
                ) from None
            self._close()
            _sync_folder(target.parent)

    def discard(self) -> None:
        """Give it up; nothing happens once it is published."""
        if self._descriptor >= 0:
            with suppress(FileNotFoundError):
                self.path.unlink()
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1


def write_whole(folder: Path, target: Path, data: bytes) -> None:
    """Put this content at the target; `folder` is where it lies until it is whole."""
    with Partial(folder) as partial:
        partial.write(data)
        partial.publish(target)


def abandoned(folder: Path) -> Iterator[Path]:
    """The partial files in a folder whose writers have died."""
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Keep every other holder of this lock out, of this process and of others."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Say in people's words why something cannot be written."""
    try:
        yield
    except OSError as error:
        raise StoreUnwritable(
            f"{path} cannot be written: {error.strerror}.",
            "See that the disk has room, and that the store belongs to who runs Puna.",
        ) from error


def _claimed(path: Path) -> int:
    """A locked descriptor of a new file, or -1: a sweeper was faster than the lock."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)
    return -1


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
