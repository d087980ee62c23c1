"""The models that there are: the one that comes with Puna, and those in the store."""

from contextlib import suppress
from dataclasses import replace

from puna.errors import ModelNotFound, PunaError, StoreDamaged
from puna.models.builtin_model import CRIA, builtin_model, stored_builtin
from puna.models.capabilities import Capability
from puna.models.durable import write_whole
from puna.models.facts import FileFacts, facts
from puna.models.gguf import read
from puna.models.manifest import encode
from puna.models.model import Model
from puna.models.names import Name
from puna.models.resolving import resolve
from puna.models.revisions import Revision
from puna.models.store import Store, missing


class Library:
    """Finds models by name, and changes what names stand for."""

    def __init__(self, store: Store) -> None:
        self.store = store
        # A manifest never changes under its digest, so what it resolves to is kept.
        self._known: dict[tuple[Name, str], Model] = {}
        self._capable: dict[tuple[object, ...], tuple[Capability, ...]] = {}
        self._hidden = store.own / "hidden" / CRIA.model

    def find(self, name: str | Name) -> Model:
        """The model of this name, or the revision of it that the name asks for."""
        name = _parsed(name)
        try:
            return self._resolved(self.store.revision(name))
        except ModelNotFound:
            if self._is_builtin(name):
                return builtin_model()
            raise

    def all(self) -> list[Model]:
        """Every model that can be used: the built-in one first, then the latest."""
        found: list[Model] = []
        for name in self.store.names():
            with suppress(PunaError, OSError):
                found.append(self._resolved(self.store.current(name)))
        found.sort(key=lambda model: model.modified, reverse=True)
        shadowed = any(model.name.folded == CRIA for model in found)
        return found if shadowed or self._hidden.exists() else [builtin_model(), *found]

    def history(self, name: str | Name) -> list[Revision]:
        """What a name stands for and what it has stood for, the latest first."""
        name = _parsed(name)
        found = self.store.history(name)
        if not found and not self._is_builtin(name):
            # Says that there is no such model.
            self.store.current(name)
        return found

    def rollback(self, name: str | Name, revision: str) -> Model:
        """Let a name stand for a former revision again; what it stood for becomes history."""
        name = _parsed(name).current
        asked = Name.parse(f"{name}@{revision}")
        if not self.store.history(name) and self._is_builtin(asked):
            return builtin_model()
        wanted = self.store.revision(asked)
        with self.store.change() as change:
            if lost := missing(self.store, wanted):
                raise StoreDamaged(
                    f"The revision {wanted.digest[:12]} of {name} is incomplete: "
                    f"{len(lost)} of its blobs are gone, the first is {lost[0]}.",
                    "In a store that Ollama also uses, Ollama removes what only history needs.",
                )
            change.put(name, wanted.data)
        return self.find(name)

    def copy(self, source: str | Name, target: str | Name) -> None:
        """Let another name stand for the same."""
        source, target = _parsed(source), _parsed(target).current
        with self.store.change() as change:
            change.put(target, self.manifest_data(source))

    def manifest_data(self, name: Name) -> bytes:
        """The manifest that a name stands for; the built-in model is copied into the store."""
        try:
            return self.store.revision(name).data
        except ModelNotFound:
            if not self._is_builtin(name):
                raise
            return encode(stored_builtin(self.store.blobs))

    def facts(self, model: Model) -> FileFacts:
        """What the model's files say of themselves; their files are open while this is held."""
        projector = read(model.projector) if model.projector else None
        return facts(read(*model.weights), projector, model.template)

    def capabilities(self, model: Model) -> tuple[Capability, ...]:
        """What the model can do; a blob never changes, so it is read but once."""
        key = (model.weights, model.projector, model.template)
        if key not in self._capable:
            self._capable[key] = self.facts(model).capabilities
        return self._capable[key]

    def remove(self, name: str | Name) -> None:
        """Forget a name with its history. The built-in model is not removed but hidden."""
        name = _parsed(name).current
        with self.store.change() as change:
            try:
                change.remove(name)
            except ModelNotFound:
                if not self._is_builtin(name):
                    raise
                write_whole(self.store.own, self._hidden, b"")

    def reveal(self) -> None:
        """Show the built-in model again."""
        self._hidden.unlink(missing_ok=True)

    def blobs_of(self, name: str | Name) -> set[str]:
        """The digests that a model needs; while it is loaded, they are in use."""
        with suppress(ModelNotFound):
            return self.store.revision(_parsed(name)).manifest.digests
        return set()

    def _resolved(self, revision: Revision) -> Model:
        key = (revision.name, revision.digest)
        model = self._known.get(key)
        if model is None or not all(path.exists() for path in model.weights):
            model = self._known[key] = resolve(self.store.blobs, revision)
        return (
            model if model.modified == revision.since else replace(model, modified=revision.since)
        )

    def _is_builtin(self, name: Name) -> bool:
        return (
            name.folded == CRIA
            and not self._hidden.exists()
            and builtin_model().digest.startswith(name.revision)
        )


def _parsed(name: str | Name) -> Name:
    return Name.parse(name) if isinstance(name, str) else name
