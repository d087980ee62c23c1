"""What the store holds and nobody needs: blobs without a manifest, files whose writers died."""

from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from puna.errors import StoreDamaged
from puna.models.digests import parse_digest
from puna.models.durable import abandoned, writing
from puna.models.store import Store

Sized = tuple[Path, int]
# Tells the digests that must stay although no manifest refers to them.
InUse = Callable[[], Set[str]]

# A blob comes before the manifest that refers to it; for so long nobody asks for that manifest.
GRACE_SECONDS = 3600.0
# Ollama goes on with a download that was broken off, so what it left is given longer.
STALE_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Waste:
    """What a collection would remove, or has removed."""

    blobs: tuple[str, ...]
    partials: tuple[Path, ...]
    bytes: int


def survey(store: Store, in_use: InUse = frozenset, grace: float = GRACE_SECONDS) -> Waste:
    """What could be removed now; nothing is."""
    return _waste(_sized(_blobs(store, in_use, grace)), _sized(_partials(store)))


def collect(store: Store, in_use: InUse = frozenset, grace: float = GRACE_SECONDS) -> Waste:
    """Remove it. Nothing that a manifest or a revision refers to, is in use, or is young.

    What is in use is asked while the store is held.
    """
    with store.change():
        for name in list(store.revisions.names()):
            store.revisions.expire(name)
        return _waste(
            _removed(_sized(_blobs(store, in_use, grace))), _removed(_sized(_partials(store)))
        )


def _waste(blobs: Iterable[Sized], partials: Iterable[Sized]) -> Waste:
    blobs, partials = list(blobs), list(partials)
    return Waste(
        tuple(parse_digest(path.name) for path, _ in blobs),
        tuple(path for path, _ in partials),
        sum(size for _, size in (*blobs, *partials)),
    )


def _sized(paths: Iterable[Path]) -> Iterator[Sized]:
    for path in paths:
        with suppress(FileNotFoundError):
            yield path, path.lstat().st_size


def _removed(files: Iterable[Sized]) -> Iterator[Sized]:
    for path, size in files:
        with writing(path):
            path.unlink(missing_ok=True)
        yield path, size


def _blobs(store: Store, in_use: InUse, grace: float) -> Iterator[Path]:
    unknown = store.root / "manifests-v2"
    if unknown.exists():
        raise StoreDamaged(
            f"{unknown} holds manifests of a newer layout than Puna knows, so that nothing here "
            "can be called unneeded."
        )
    needed = store.referenced() | {parse_digest(digest) for digest in in_use()}
    for digest in store.blobs.all():
        path = store.blobs.path(digest)
        if digest not in needed and _age(path, store) > grace:
            yield path


def _partials(store: Store) -> Iterator[Path]:
    for folder in (store.blobs.folder, store.manifests, store.own, store.own / "revisions"):
        yield from abandoned(folder)
    yield from (path for path in _strangers(store) if _age(path, store) > STALE_SECONDS)


def _strangers(store: Store) -> list[Path]:
    """What Ollama leaves behind when it is interrupted: files that are almost named as blobs."""
    whole = {store.blobs.path(digest) for digest in store.blobs.all()}
    return [
        path
        for path in store.blobs.entries()
        if path not in whole and path.name.startswith("sha256-") and path.is_file()
    ]


def _age(path: Path, store: Store) -> float:
    try:
        return store.clock() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0
