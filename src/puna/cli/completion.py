"""What a shell may complete: the names of models, if a server tells them at once."""

import os
from collections.abc import Iterator, MutableMapping

from puna.cli.client import Client
from puna.errors import PunaError

# Longer nobody waits for a completion.
SECONDS = 1.0
# What bash has before the word that it completes, up to a colon.
_BEFORE = "_PUNA_BEFORE_COLON"


def model_names(incomplete: str) -> Iterator[str]:
    """The models whose names begin so; none where no server answers."""
    before = os.environ.get(_BEFORE, "")
    try:
        names = [one["name"] for one in Client(patience=SECONDS).get("/api/tags")["models"]]
    except (PunaError, KeyError):
        return
    for name in names:
        if name.startswith(before + incomplete):
            # The usual tag is left out, as people do, until they begin to write one.
            whole = name if ":" in before + incomplete else name.removesuffix(":latest")
            yield whole.removeprefix(before)


def join_at_colons(environment: MutableMapping[str, str]) -> None:
    """Have the words whole that are completed: to bash, a colon ends one and begins another.

    It replaces only what is behind the last colon, so only that is what may be answered.
    """
    if "COMP_WORDS" not in environment:
        return
    words: list[str] = []
    for word in environment["COMP_WORDS"].split("\n")[: int(environment["COMP_CWORD"]) + 1]:
        if words and (word.startswith(":") or words[-1].endswith(":")):
            words[-1] += word
        else:
            words.append(word)
    head, colon, words[-1] = words[-1].rpartition(":")
    environment[_BEFORE] = head + colon
    environment["COMP_WORDS"] = "\n".join(words)
    environment["COMP_CWORD"] = str(len(words) - 1)
