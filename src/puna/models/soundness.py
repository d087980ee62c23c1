"""Whether a store is sound: every manifest whole, every blob true to its name."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from puna.errors import PunaError
from puna.models.revisions import Revision
from puna.models.store import Store


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong in a store: where, and what."""

    where: str
    what: str


def faults(store: Store) -> list[Fault]:
    """Everything that is wrong in a store; every byte of it is read."""
    return [*manifest_faults(store), *revision_faults(store), *blob_faults(store)]


def manifest_faults(store: Store) -> Iterator[Fault]:
    """The names whose manifest is broken, or lacks a blob."""
    for name in store.names():
        try:
            revision = store.current(name)
        except PunaError as error:
            yield Fault(str(name), str(error))
        else:
            yield from _lacking(store, revision, str(name))


def revision_faults(store: Store) -> Iterator[Fault]:
    """The former revisions that lack a blob, as they do where another Ollama cleans up."""
    for name in store.revisions.names():
        for revision in store.revisions.of(name):
            yield from _lacking(store, revision, f"{name}@sha256:{revision.digest}")


def blob_faults(store: Store) -> Iterator[Fault]:
    """The blobs whose content is not what their name says."""
    for digest in store.blobs.all():
        try:
            with store.blobs.find(digest).open("rb") as file:
                found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        except (PunaError, OSError) as error:
            yield Fault(digest, str(error))
        else:
            if found != digest:
                yield Fault(digest, f"Its content has the digest {found}.")


def _lacking(store: Store, revision: Revision, where: str) -> Iterator[Fault]:
    for layer in revision.manifest.all_layers:
        try:
            size = store.blobs.find(layer.digest).stat().st_size
        except PunaError as error:
            yield Fault(where, str(error))
        else:
            if size != layer.size:
                yield Fault(where, f"{layer.digest} has {size} bytes, not {layer.size}.")
