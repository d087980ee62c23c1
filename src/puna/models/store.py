"""The store of models on disk, in Ollama's layout: which manifest each name has.

Whatever changes a name goes through a `Change`, and a `Change` exists only under the store's lock,
which every process that uses the store shares.
"""

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from puna.errors import BadModelFile, ModelNotFound, StoreDamaged, StoreUnwritable
from puna.models.blobs import Blobs, lies_within
from puna.models.digests import digest_of
from puna.models.durable import locked, write_whole
from puna.models.manifest import MOST_BYTES, decode_manifest
from puna.models.names import Name
from puna.models.revisions import (
    KEEPING,
    Keeping,
    Revision,
    Revisions,
    moment,
    names_below,
    remove_empty,
)


class Store:
    """A folder of models. Reading it writes nothing, so that another user's can be read."""

    def __init__(
        self,
        root: Path,
        keeping: Keeping = KEEPING,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.root = root
        self.clock = clock
        self.blobs = Blobs(root / "blobs")
        self.manifests = root / "manifests"
        # Beside Ollama's two folders: what it does not know, it does not touch.
        self.own = root / "puna"
        self.revisions = Revisions(self.own / "revisions", keeping, clock)
        # What was read, by the file that it was read from: listing hundreds of models is quick.
        self._seen: dict[Name, tuple[tuple[int, int, int], Revision]] = {}

    def names(self) -> Iterator[Name]:
        """Every name that has a manifest."""
        for name in names_below(self.manifests):
            if (self.manifests / name.file).is_file():
                yield name

    def spelled(self, name: Name) -> Name:
        """The name as the store spells it, for names are the same whatever their case."""
        if self.file(name).is_file():
            return name
        parts, folder = [*name.file.parts], os.fspath(self.manifests)
        for place, part in enumerate(parts):
            if (spelled := _spelled(folder, part)) is None:
                break
            parts[place] = spelled
            folder = os.path.join(folder, spelled)
        host, namespace, model, tag = parts
        return Name(model, tag, namespace, host, name.revision)

    def file(self, name: Name) -> Path:
        """Where the name's manifest lies, or would."""
        return self.manifests / name.file

    def current(self, name: Name) -> Revision:
        """What the name stands for now."""
        name = self.spelled(name.current)
        path = self.file(name)
        try:
            status = path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            before = self._seen.get(name)
            if before is not None and before[0] == seen:
                return before[1]
            data = self._read(path)
        except (FileNotFoundError, NotADirectoryError):
            raise ModelNotFound(
                f"Model {str(name)!r} was not found.",
                "`puna ls` and /api/tags list those that there are.",
            ) from None
        digest = digest_of(data).removeprefix("sha256:")
        manifest = decode_manifest(data, str(name))
        revision = Revision(name, digest, manifest, data, moment(status.st_mtime))
        self._seen[name] = (seen, revision)
        return revision

    def history(self, name: Name) -> list[Revision]:
        """What the name stands for and what it has stood for, the latest first."""
        former = self.revisions.of(self.spelled(name.current))
        try:
            current = self.current(name)
        except ModelNotFound:
            return former
        # After a rollback, what the name stands for is among what it has stood for.
        return [current, *(one for one in former if one.digest != current.digest)]

    def revision(self, name: Name) -> Revision:
        """The revision that a name asks for; without one, the current."""
        if not name.revision:
            return self.current(name)
        found = {
            one.digest: one
            for one in reversed(self.history(name))
            if one.digest.startswith(name.revision)
        }
        if len(found) == 1:
            return found.popitem()[1]
        what = "more than one revision" if found else "no revision"
        raise ModelNotFound(
            f"{name.current} has {what} {name.revision}.",
            f"`puna history {name.current}` shows those that are kept.",
        )

    def referenced(self) -> set[str]:
        """Every blob that a manifest, current or former, refers to.

        A manifest counts wherever it lies and whatever its name; one that cannot be read might
        refer to anything, so it is an error here.
        """
        kept = [
            decode_manifest(self._read(path), str(path))
            for path in self.manifests.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        ]
        for name in self.revisions.names():
            kept += [one.manifest for one in self.revisions.of(name)]
        return {digest for manifest in kept for digest in manifest.digests}

    def _read(self, path: Path) -> bytes:
        if not path.is_file():
            raise FileNotFoundError(path)
        if not lies_within(path, self.manifests, self.blobs.folder):
            raise StoreDamaged(f"The manifest {path} is a link that leads out of the store.")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise BadModelFile(f"The manifest {path} is larger than {MOST_BYTES} bytes.")
        return data

    def offers(self, digest: str) -> bool:
        """Whether this blob is there; it stays for a while, for whoever asks may refer to it."""
        there = self.blobs.has(digest)
        if there:
            # Where nothing can be written, nothing is collected either.
            with suppress(StoreUnwritable), self.change() as change:
                change.hold(digest)
        return there and self.blobs.has(digest)

    @contextmanager
    def change(self) -> "Generator[Change]":
        """Change the store; nobody else does so meanwhile."""
        with locked(self.own / "lock"):
            yield Change(self)


class Change:
    """What may be done to a store while its lock is held."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def hold(self, *digests: str) -> None:
        """Let these blobs count as young, for somebody is about to refer to them."""
        for digest in digests:
            with suppress(StoreDamaged):
                self._store.blobs.touch(digest)

    def put(self, name: Name, data: bytes) -> None:
        """Let the name stand for this manifest; its former one becomes history."""
        store = self._store
        name = store.spelled(name.current)
        for digest in decode_manifest(data, str(name)).digests:
            store.blobs.touch(digest)
        # What cannot be read cannot be run again either: there is nothing to keep of it.
        with suppress(ModelNotFound, BadModelFile, StoreDamaged):
            former = store.current(name)
            if former.data == data:
                return
            store.revisions.keep(former)
        write_whole(store.manifests, store.file(name), data)

    def remove(self, name: Name) -> None:
        """Forget the name with its history."""
        store = self._store
        name = store.spelled(name.current)
        store.revisions.forget(name)
        path = store.file(name)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ModelNotFound(f"Model {str(name)!r} was not found.") from None
        remove_empty(store.manifests, path.parent)


def missing(store: Store, revision: Revision) -> list[str]:
    """The blobs of a revision that are not in the store."""
    return sorted(one for one in revision.manifest.digests if not store.blobs.has(one))


def _spelled(folder: str, part: str) -> str | None:
    """How a folder spells this part of a name; None if it has nothing of that name."""
    if os.path.exists(os.path.join(folder, part)):
        return part
    with suppress(OSError):
        for entry in sorted(os.listdir(folder)):
            if entry.isascii() and entry.lower() == part.lower():
                return entry
    return None
