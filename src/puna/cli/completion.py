"""What a shell may complete: the names of models, if a server tells them at once."""

from collections.abc import Iterator

from puna.cli.client import Client
from puna.errors import PunaError

# Longer nobody waits for a completion.
SECONDS = 1.0


def model_names(incomplete: str) -> Iterator[str]:
    """The models whose names begin so; none where no server answers."""
    try:
        models = Client(patience=SECONDS).get("/api/tags")["models"]
    except (PunaError, KeyError):
        return
    for model in models:
        name = model["name"]
        yield (
            name
            if name.startswith(incomplete) and ":" in incomplete
            else name.removesuffix(":latest")
        )
