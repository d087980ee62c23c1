"""The models that there are: for now, the one that comes with Puna."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from puna.errors import ModelNotFound
from puna.models.names import Name

BUILTIN = Path(__file__).with_name("builtin") / "cria.gguf"


@dataclass(frozen=True)
class Model:
    """A name with what it resolves to."""

    name: Name
    weights: tuple[Path, ...]

    @property
    def size(self) -> int:
        """How many bytes its files have."""
        return sum(path.stat().st_size for path in self.weights)

    @property
    def modified(self) -> datetime:
        """When it was last changed."""
        return datetime.fromtimestamp(max(path.stat().st_mtime for path in self.weights), UTC)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of its weights."""
        digest = hashlib.sha256()
        for path in self.weights:
            digest.update(path.read_bytes())
        return digest.hexdigest()


class Library:
    """Finds models by name."""

    def __init__(self) -> None:
        builtin = Model(Name("cria"), (BUILTIN,))
        self._models = {builtin.name: builtin}

    def find(self, name: str) -> Model:
        """The model of this name."""
        model = self._models.get(Name.parse(name))
        if model is None:
            raise ModelNotFound(f"There is no model {name!r}.", "`cria` comes with Puna.")
        return model

    def all(self) -> list[Model]:
        """Every model."""
        return list(self._models.values())
