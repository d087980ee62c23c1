"""Engines on the shelf: found, made the default, replaced and removed."""

from pathlib import Path

import pytest

from puna.builds.record import Record, read_record
from puna.builds.shelf import EMBEDDED, Shelf
from puna.errors import BadRequest, EngineMismatch


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def put(shelf: Shelf, name: str, content: str = "a library") -> Record:
    folder = shelf.folder / ".work"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "libllama.so").write_text(content)
    record = Record(name, "1")
    shelf.take_in(folder, record)
    return record


def test_an_empty_home_has_the_embedded_engine_alone(shelf: Shelf) -> None:
    assert shelf.all() == []
    assert shelf.default == EMBEDDED
    with pytest.raises(BadRequest, match="There are: none, and embedded"):
        shelf.find("cpu")


def test_an_engine_is_found_by_the_beginning_of_its_name(shelf: Shelf) -> None:
    put(shelf, "cpu-1234")
    other = put(shelf, "cuda-1234")
    assert shelf.find("cuda") == other
    with pytest.raises(BadRequest, match=r"Several engines begin with 'c'\..*cpu-1234, cuda-1234"):
        shelf.find("c")
    with pytest.raises(BadRequest, match="no engine 'hip'"):
        shelf.find("hip")


def test_a_full_name_is_found_though_others_begin_with_it(shelf: Shelf) -> None:
    record = put(shelf, "cpu")
    put(shelf, "cpu-2")
    assert shelf.find("cpu") == record


def test_a_new_engine_takes_the_place_of_one_with_its_name(shelf: Shelf) -> None:
    put(shelf, "cpu", "old")
    put(shelf, "cpu", "new")
    assert (shelf.place("cpu") / "libllama.so").read_text() == "new"
    assert [path.name for path in shelf.folder.iterdir()] == ["cpu"]


def test_the_default_is_kept_and_goes_with_its_engine(shelf: Shelf, tmp_path: Path) -> None:
    put(shelf, "cpu")
    shelf.default = "cpu"
    assert Shelf(tmp_path).default == "cpu"
    shelf.remove("cpu")
    assert shelf.default == EMBEDDED
    assert not shelf.place("cpu").exists()


def test_a_record_that_cannot_be_read_hides_only_its_engine(shelf: Shelf) -> None:
    put(shelf, "cpu")
    put(shelf, "hip")
    (shelf.place("cpu") / "puna-engine.json").write_text("{")
    assert [one.name for one in shelf.all()] == ["hip"]
    with pytest.raises(EngineMismatch, match="cannot be read"):
        read_record(shelf.place("cpu"))
