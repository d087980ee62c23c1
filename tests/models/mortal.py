"""A process that changes a store, and kills itself at the line of Puna's that it is told.

Arguments: the store, a GGUF file, a seed, and the line's number; 0 lives and tells how many there
are.
"""

import os
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import puna.models
from puna.errors import PunaError
from puna.models.creation import create
from puna.models.gc import collect
from puna.models.library import Library
from puna.models.requests import CreateRequest
from puna.models.store import Store

# The rooms that change files; the lines of all others only lie between.
FOLDER = Path(puna.models.__file__).parent
ROOMS = {
    str(FOLDER / f"{room}.py")
    for room in ("blobs", "creation", "durable", "gc", "library", "revisions", "store")
}


class Fate:
    """Counts lines as they are run, up to the last."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.count = 0

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in ROOMS:
            return None
        if event == "line":
            self.count += 1
            if self.count == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
        return self


def live(store: Store, file: Path, chance: random.Random) -> None:
    library = Library(store)
    weights = {"m.gguf": store.blobs.add_file(file)}
    for _ in range(4):
        with store.blobs.upload() as upload:
            for _ in range(chance.randrange(1, 6)):
                upload.write(chance.randbytes(chance.randrange(1, 5000)))
            upload.commit()
        name = chance.choice(["a", "b:1", "ns/c"])
        words = chance.randbytes(8).hex()
        list(create(library, CreateRequest(name, files=weights, system=words, license="MIT")))
        with suppress(PunaError):
            history = library.history(name)
            library.rollback(name, history[-1].digest)
        library.copy(name, "d")
        if chance.random() < 0.3:
            library.remove("d")
        collect(store, grace=0.0 if chance.random() < 0.2 else 1000.0)


def main() -> None:
    root, file, seed, last = sys.argv[1:]
    fate = Fate(int(last))
    sys.settrace(fate)
    live(Store(Path(root)), Path(file), random.Random(int(seed)))
    sys.settrace(None)
    print(fate.count)


if __name__ == "__main__":
    main()
