"""Revisions: every change of a name keeps what it stood for, and it can be had again."""

from itertools import count
from pathlib import Path

import pytest
from tests.models.hand_laid import digest, lay_manifest, manifest

from puna.errors import BadRequest, ModelNotFound, StoreDamaged
from puna.models.gc import collect
from puna.models.library import Library
from puna.models.names import Name
from puna.models.revisions import DAY_SECONDS, Keeping
from puna.models.soundness import faults
from puna.models.store import Store

NAME = Name("m")


class Clock:
    def __init__(self) -> None:
        self.now = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def library(tmp_path: Path, clock: Clock) -> Library:
    return Library(Store(tmp_path / "models", Keeping(revisions=3, days=10), clock))


def put(library: Library, system: str, name: Name = NAME) -> str:
    """Let a name stand for a model with this system prompt; returns the manifest's digest."""
    data = manifest(library.store.root, {"model": b"GGUF", "system": system.encode()})
    with library.store.change() as change:
        change.put(name, data)
    return digest(data).removeprefix("sha256:")


def systems(library: Library) -> list[str]:
    return [library.find(f"m@{one.digest}").system for one in library.history("m")]


def test_each_change_of_a_name_keeps_the_former_revision(library: Library, clock: Clock) -> None:
    digests = []
    for place, system in enumerate(("one", "two", "three")):
        clock.now += 1
        digests.append(put(library, system))
        assert library.find("m").system == system
        assert len(library.history("m")) == place + 1
    history = library.history("m")
    assert [one.digest for one in history] == digests[::-1]
    assert [one.current for one in history] == [True, False, False]
    assert history[2].until
    assert history[2].until.timestamp() == pytest.approx(clock.now - 1)
    assert history[1].until
    assert history[1].until.timestamp() == pytest.approx(clock.now)
    assert library.find(f"m@sha256:{digests[0]}").system == "one"
    assert library.find(f"m@{digests[1][:7]}").system == "two"


def test_putting_what_is_there_changes_nothing(library: Library) -> None:
    put(library, "one")
    put(library, "one")
    assert len(library.history("m")) == 1


def test_a_rollback_can_be_rolled_back(library: Library) -> None:
    one, two = put(library, "one"), put(library, "two")
    assert library.rollback("m", one[:10]).system == "one"
    assert systems(library) == ["one", "two"]
    assert library.rollback("m", f"sha256:{two}").system == "two"
    assert systems(library) == ["two", "one"]
    with pytest.raises(ModelNotFound, match=r"has no revision 0000000.*puna history m"):
        library.rollback("m", "0000000")
    with pytest.raises(BadRequest):
        library.rollback("m", "../x")


def alike(base: bytes) -> tuple[str, str, str]:
    """Two manifests whose digests begin alike, and how."""
    seen: dict[str, str] = {}
    for number in count(3):
        data = base.decode().replace('"schemaVersion":2', f'"schemaVersion":{number}')
        short = digest(data.encode()).removeprefix("sha256:")[:7]
        if short in seen:
            return short, seen[short], data
        seen[short] = data
    raise AssertionError("there is no end of numbers")


def test_a_short_digest_must_mean_one_revision(library: Library) -> None:
    short, *twins = alike(manifest(library.store.root, {"model": b"GGUF"}))
    with library.store.change() as change:
        for data in twins:
            change.put(NAME, data.encode())
    with pytest.raises(ModelNotFound, match=f"more than one revision {short}"):
        library.find(f"m@{short}")
    for data in twins:
        whole = digest(data.encode())
        assert library.find(f"m@{whole}").digest == whole.removeprefix("sha256:")


def test_a_revision_that_is_not_what_its_name_says_is_none(library: Library) -> None:
    put(library, "one")
    put(library, "two")
    folder = library.store.own / "revisions" / NAME.file
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes() + b" ")
    assert systems(library) == ["two"]


def test_as_many_are_kept_as_the_settings_say(library: Library) -> None:
    for number in range(6):
        put(library, str(number))
    assert systems(library) == ["5", "4", "3", "2"]


def test_a_revision_is_kept_for_as_long_as_the_settings_say(library: Library, clock: Clock) -> None:
    put(library, "one")
    put(library, "two")
    clock.now += 9 * DAY_SECONDS
    put(library, "three")
    assert systems(library) == ["three", "two", "one"]
    clock.now += 2 * DAY_SECONDS
    collect(library.store)
    assert systems(library) == ["three", "two"]


def test_no_history_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    library = Library(Store(tmp_path, Keeping(revisions=0)))
    put(library, "one")
    put(library, "two")
    assert systems(library) == ["two"]
    assert not list((tmp_path / "puna" / "revisions").rglob("*"))


def test_what_history_needs_is_not_collected_and_what_it_forgets_is(
    library: Library, clock: Clock
) -> None:
    put(library, "one")
    put(library, "two")
    clock.now += DAY_SECONDS
    assert collect(library.store).blobs == ()
    library.remove("m")
    gone = collect(library.store).blobs
    assert {digest(b"one"), digest(b"two"), digest(b"GGUF")} <= set(gone)
    assert list(library.store.blobs.all()) == []


def test_removing_a_name_forgets_its_history_and_no_other(library: Library) -> None:
    one = put(library, "one")
    put(library, "two")
    put(library, "one", Name("m", "other"))
    put(library, "two", Name("m", "other"))
    library.remove("M")
    for name in ("m", f"m@{one}"):
        with pytest.raises(ModelNotFound):
            library.find(name)
    with pytest.raises(ModelNotFound):
        library.history("m")
    with pytest.raises(ModelNotFound):
        library.remove("m")
    assert len(library.history("m:other")) == 2
    library.remove("m:other")
    assert list(library.store.manifests.iterdir()) == []
    assert list((library.store.own / "revisions").iterdir()) == []


def test_a_copy_has_a_history_of_its_own(library: Library) -> None:
    put(library, "one")
    library.copy("m", "n")
    put(library, "two")
    assert library.find("n").system == "one"
    assert len(library.history("n")) == 1
    library.copy(f"m@{library.history('m')[1].digest}", "m")
    assert library.find("m").system == "one"


def test_where_an_ollama_cleans_up_a_lost_revision_says_what_happened(library: Library) -> None:
    one = put(library, "one")
    put(library, "two")
    library.store.blobs.path(digest(b"one")).unlink()
    with pytest.raises(StoreDamaged, match="In a store that Ollama also uses"):
        library.rollback("m", one)
    with pytest.raises(StoreDamaged, match="m:latest cannot be used"):
        library.find(f"m@{one}")
    assert library.find("m").system == "two"
    assert [fault.where for fault in faults(library.store)] == [f"m:latest@sha256:{one}"]


def test_what_ollama_changes_is_seen(library: Library) -> None:
    put(library, "one")
    assert library.find("m").system == "one"
    data = manifest(library.store.root, {"model": b"GGUF", "system": b"ollama's"})
    lay_manifest(library.store.root, str(NAME.file), data)
    assert library.find("m").system == "ollama's"
    (library.store.manifests / NAME.file).unlink()
    with pytest.raises(ModelNotFound):
        library.find("m")


def test_history_lies_beside_ollamas_folders(library: Library) -> None:
    put(library, "one")
    put(library, "two")
    assert {path.name for path in library.store.root.iterdir()} == {"blobs", "manifests", "puna"}
    found = [path for path in library.store.manifests.rglob("*") if path.is_file()]
    assert found == [library.store.manifests / NAME.file]


def test_the_builtin_model_is_hidden_and_never_removed(library: Library) -> None:
    cria = library.find("cria")
    assert library.find("CRIA:latest") is cria
    assert library.find(f"cria@{cria.digest[:7]}") is cria
    assert library.history("cria") == []
    library.remove("cria")
    assert library.all() == []
    for act in (library.find, library.remove, library.history):
        with pytest.raises(ModelNotFound):
            act("cria")
    assert cria.weights[0].is_file()
    library.reveal()
    assert library.all() == [cria]


def test_a_model_of_the_builtin_ones_name_stands_before_it(library: Library) -> None:
    put(library, "mine", Name("cria"))
    assert library.find("cria").system == "mine"
    assert [model.system for model in library.all()] == ["mine"]
    assert library.find(f"cria@{library.find('cria').digest}").system == "mine"
    library.remove("cria")
    assert library.find("cria").builtin
    library.copy("cria", "n")
    assert library.find("n").weights[0].read_bytes() == library.find("cria").weights[0].read_bytes()
