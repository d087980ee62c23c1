"""Revisions: the manifests that a name has had, kept in a folder beside Ollama's own."""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from puna.errors import PunaError, StoreDamaged
from puna.models.digests import digest_of
from puna.models.durable import write_whole
from puna.models.manifest import MOST_BYTES, Manifest, decode_manifest
from puna.models.names import Name

DAY_SECONDS = 86_400
_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_FILE = re.compile(r"([0-9]{20})-[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Revision:
    """One manifest of a name: since when it was the name's, and until when, if no longer."""

    name: Name
    digest: str
    manifest: Manifest
    data: bytes
    since: datetime
    until: datetime | None = None

    @property
    def current(self) -> bool:
        """Whether this is what the name stands for now."""
        return self.until is None


@dataclass(frozen=True, slots=True)
class Keeping:
    """How many former revisions of a name are kept, and for how many days."""

    revisions: int = 10
    days: float = 90.0


KEEPING = Keeping()


class Revisions:
    """The former manifests of all names: `<host>/<namespace>/<model>/<tag>/<until>-<digest>`."""

    def __init__(
        self, folder: Path, keeping: Keeping, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._keeping = keeping
        self._clock = clock

    def keep(self, former: Revision) -> None:
        """Remember what a name stood for until now."""
        folder = self._folder / former.name.file
        files = self._files(former.name)
        latest = max((_until(file) for file in files), default=0)
        until = max(_nanoseconds(self._clock()), latest + 1)
        target = folder / f"{until:020d}-{former.digest}"
        write_whole(self._folder, target, former.data)
        since = former.since.timestamp()
        os.utime(target, (since, since))
        # The same manifest needs to be kept but once: where it was last.
        for file in files:
            if file.name.endswith(former.digest):
                file.unlink(missing_ok=True)
        self.expire(former.name)

    def of(self, name: Name) -> list[Revision]:
        """A name's former revisions, the latest first; what is broken is not among them."""
        found: list[Revision] = []
        for file in reversed(self._files(name)):
            with suppress(PunaError, OSError):
                found.append(_read(name, file))
        return found

    def names(self) -> Iterator[Name]:
        """Every name that has a history."""
        yield from names_below(self._folder)

    def expire(self, name: Name) -> None:
        """Forget what is older, or more, than is kept."""
        oldest = _nanoseconds(self._clock() - self._keeping.days * DAY_SECONDS)
        for place, file in enumerate(reversed(self._files(name))):
            if place >= self._keeping.revisions or _until(file) < oldest:
                file.unlink(missing_ok=True)
        remove_empty(self._folder, self._folder / name.file)

    def forget(self, name: Name) -> None:
        """Forget a name's whole history."""
        shutil.rmtree(self._folder / name.file, ignore_errors=True)
        remove_empty(self._folder, (self._folder / name.file).parent)

    def _files(self, name: Name) -> list[Path]:
        folder = self._folder / name.file
        if not folder.is_dir():
            return []
        return sorted(file for file in folder.iterdir() if _until(file))


def names_below(folder: Path) -> Iterator[Name]:
    """Every well-formed name that has a file or folder four levels below this one."""
    for path in sorted(folder.glob("*/*/*/*")):
        host, namespace, model, tag = path.parts[-4:]
        with suppress(PunaError):
            yield Name(model, tag, namespace, host)


def remove_empty(root: Path, folder: Path) -> None:
    """Remove a folder and those above it, up to a root, as far as they are empty."""
    with suppress(OSError):
        while folder != root and root in folder.parents:
            folder.rmdir()
            folder = folder.parent


def moment(seconds: float) -> datetime:
    """A file's time, however odd, as one that there can be."""
    return datetime.fromtimestamp(min(max(seconds, 0.0), _LAST), UTC)


def _nanoseconds(seconds: float) -> int:
    return max(0, round(seconds * 1_000_000)) * 1000


def _read(name: Name, file: Path) -> Revision:
    with file.open("rb") as opened:
        data = opened.read(MOST_BYTES + 1)
        since = os.fstat(opened.fileno()).st_mtime
    digest = digest_of(data).removeprefix("sha256:")
    if not file.name.endswith(digest):
        raise StoreDamaged(f"The revision {file} is not what its name says.")
    return Revision(
        name,
        digest,
        decode_manifest(data, str(name)),
        data,
        moment(since),
        moment(_until(file) / 1e9),
    )


def _until(file: Path) -> int:
    """When a revision ended, by its file's name; 0 is no revision."""
    found = _FILE.fullmatch(file.name)
    return int(found[1]) if found else 0
