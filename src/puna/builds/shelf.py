"""The engines that were built, in the home's folder `engines`, and which of them is the default."""

import shutil
from contextlib import suppress
from pathlib import Path

import msgspec

from puna.builds.record import Record, read_record, write_record
from puna.engine.origin import BUILD_FILE
from puna.errors import BadRequest, EngineMismatch
from puna.models.durable import write_whole

EMBEDDED = "embedded"
_DEFAULT = "default.json"


class Default(msgspec.Struct, frozen=True):
    """The engine that runs where nobody says otherwise."""

    engine: str


class Shelf:
    """All engines of a home, each in a folder of its own."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "engines"

    def place(self, name: str) -> Path:
        """The folder of the engine of this name."""
        return self.folder / name

    def all(self) -> list[Record]:
        """Every engine that was built or taken in, by name."""
        folders = sorted(path.parent for path in self.folder.glob(f"*/{BUILD_FILE}"))
        found: list[Record] = []
        for folder in folders:
            with suppress(EngineMismatch):
                found.append(read_record(folder))
        return found

    def find(self, name: str) -> Record:
        """The engine of this name, or the only one whose name begins so."""
        known = self.all()
        found = [one for one in known if one.name == name] or [
            one for one in known if name and one.name.startswith(name)
        ]
        if len(found) == 1:
            return found[0]
        names = ", ".join(one.name for one in found or known) or "none"
        what = "Several engines begin with" if found else "There is no engine"
        raise BadRequest(f"{what} {name!r}.", f"There are: {names}, and {EMBEDDED}.")

    def get(self, name: str) -> Record | None:
        """The engine of exactly this name, if there is one."""
        return next((one for one in self.all() if one.name == name), None)

    def keep(self, record: Record) -> None:
        """Write an engine's record, where its libraries lie already or are no concern of ours."""
        write_record(self.place(record.name), record)

    def take_in(self, folder: Path, record: Record) -> None:
        """Put a folder of libraries on the shelf, in place of an older engine of that name."""
        write_record(folder, record)
        place, old = self.place(record.name), self.folder / f".old-{record.name}"
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            # What runs on it goes on doing so: its files stay until it ends.
            place.rename(old)
        folder.rename(place)
        shutil.rmtree(old, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Forget an engine; was it the default, the embedded one is."""
        if self.default == name:
            self.default = EMBEDDED
        shutil.rmtree(self.place(name))

    @property
    def default(self) -> str:
        """The name of the engine that runs where nobody says otherwise."""
        try:
            data = (self.folder / _DEFAULT).read_bytes()
            return msgspec.json.decode(data, type=Default).engine
        except (OSError, msgspec.DecodeError):
            return EMBEDDED

    @default.setter
    def default(self, name: str) -> None:
        write_whole(self.folder, self.folder / _DEFAULT, msgspec.json.encode(Default(name)))
