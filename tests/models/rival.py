"""A process that creates models while others collect, or collects while others create.

Arguments: the store, and either `collect` with a file whose coming ends it, or `create` with a
GGUF file and a number that is this process's own.
"""

import sys
from pathlib import Path

from puna.models.creation import create
from puna.models.gc import collect
from puna.models.library import Library
from puna.models.requests import CreateRequest
from puna.models.revisions import Keeping
from puna.models.store import Store

MODELS = 25


def words(number: int, place: int) -> str:
    """What is laid beforehand as an old blob that nobody refers to."""
    return f"Words {place} of process {number}."


def main() -> None:
    root, role, file, *number = sys.argv[1:]
    store = Store(Path(root), Keeping(revisions=1000))
    if role == "collect":
        over = False
        while not over:
            # Once more when all is over, so that it has happened however late this process began.
            over = Path(file).exists()
            collect(store)
        return
    library = Library(store)
    digest = store.blobs.add_file(Path(file))
    # As clients do: what lies there may go until it is asked for.
    while not store.offers(digest):
        store.blobs.add_file(Path(file))
    weights = {"m.gguf": digest}
    for place in range(MODELS):
        system = words(int(number[0]), place)
        asked = CreateRequest(f"m{number[0]}:{place}", files=weights, system=system)
        list(create(library, asked))
        list(create(library, CreateRequest("shared", f"m{number[0]}:{place}")))


if __name__ == "__main__":
    main()
