"""Whatever is wrong with a GGUF file, it is said in a sentence, soon, and with little memory."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from headers import Draft, Order, key, whole, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutant, read_to_the_end

from puna.errors import BadModelFile
from puna.models.gguf import Kind, cursor, header, read, siblings

ORDERS: tuple[Order, ...] = ("little", "big")


def refused(path: Path, *words: str) -> None:
    with pytest.raises(BadModelFile) as caught:
        read(path)
    for word in words:
        assert word in str(caught.value)


def drafted(build: Callable[[Draft], None], *, tensors: int = 0, keys: int = 0) -> Draft:
    made = Draft()
    made.head(tensors, keys)
    build(made)
    return made


def tensors(*described: tuple[Any, ...], room: int = 0) -> Draft:
    def build(made: Draft) -> None:
        for each in described:
            made.tensor(*each)
        made.data_of(room)

    return drafted(build, tensors=len(described))


def test_what_is_no_gguf_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.gguf"
    for content in (b"", b"GGUF", b"GGML" + bytes(40), b"<html>" * 9):
        path.write_bytes(content)
        refused(path, "some.gguf is not a GGUF file.")
    refused(tmp_path, "cannot be read")
    refused(tmp_path / "none.gguf", "none.gguf cannot be read: No such file")


@pytest.mark.parametrize("order", ORDERS)
def test_other_versions_are_refused_by_their_number(tmp_path: Path, order: Order) -> None:
    for version in (0, 1, 4, 77):
        made = key("a", Kind.INT8, 1, order=order, version=version)
        refused(made.write(tmp_path / "x"), f"its version is {version}")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: drafted(lambda _: None, keys=2**60), "keys"),
        (lambda: drafted(lambda _: None, tensors=2**60), "tensors"),
        (lambda: drafted(lambda made: made.number("Q", 2**63), keys=1), "ends within"),
        (lambda: key("", Kind.INT8, 1), "the name of key 1 is empty"),
        (lambda: key(b"\xff", Kind.INT8, 1), "no UTF-8"),
        (lambda: drafted(twice, keys=2), "the key 'a' twice"),
        (lambda: key("a", Kind.ARRAY, (13, [])), "kind 13"),
        (lambda: key("a", Kind.ARRAY, nested(5)), "nests arrays more than 4 deep"),
        (lambda: key("general.alignment", Kind.UINT32, 48), "no power of two"),
        (lambda: key("general.alignment", Kind.UINT32, 0), "no power of two"),
        (lambda: key("general.alignment", Kind.STRING, "32"), "no power of two"),
        (lambda: tensors(("a", (1,), 0, 0)), "cut short"),
        (lambda: tensors(("a", (2**40, 2**40, 2**40, 2**40), 0, 0)), "cut short"),
        (lambda: tensors(("a", (1,), 0, 8), room=64), "not aligned"),
        (lambda: tensors(("a", (1,), 0, 2**62), room=64), "cut short"),
        (lambda: tensors(("a", (9,), 0, 0), ("b", (1,), 0, 32), room=64), "overlap"),
        (lambda: tensors(("a", (1,), 0, 0), ("a", (1,), 0, 32), room=64), "two tensors"),
        (lambda: tensors(("a", (1,) * 5, 0, 0), room=64), "5 dimensions"),
        (lambda: tensors(("a", (1,), 4, 0), room=64), "type 4"),
        (lambda: tensors(("a", (33,), 2, 0), room=64), "Q4_0 has blocks of 32"),
        (lambda: tensors(("a" * 64, (1,), 0, 0), room=64), "longer than 63"),
    ],
)
def test_each_wrong_claim_is_named(tmp_path: Path, made: Callable[[], Draft], words: str) -> None:
    refused(made().write(tmp_path / "bad.gguf"), "bad.gguf is no sound GGUF file", words)


def twice(made: Draft) -> None:
    made.key("a", Kind.INT8, 1)
    made.key("a", Kind.INT8, 2)


def nested(depth: int) -> tuple[int, list[Any]]:
    return (Kind.INT8, [1]) if depth == 1 else (Kind.ARRAY, [nested(depth - 1)])


def test_arrays_may_nest_as_deep_as_is_allowed(tmp_path: Path) -> None:
    assert read(key("a", Kind.ARRAY, nested(4)).write(tmp_path / "x")).metadata


def test_no_file_makes_more_work_than_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor, "MAX_ITEMS", 100)
    monkeypatch.setattr(cursor, "MAX_TEXT", 100)
    monkeypatch.setattr(header, "MAX_KEYS", 3)
    monkeypatch.setattr(header, "MAX_TENSORS", 3)
    path = tmp_path / "x"

    refused(key("a", Kind.ARRAY, (Kind.STRING, [""] * 101)).write(path), "items to go through")
    many = [(Kind.INT8, [])] * 7
    refused(key("a", Kind.ARRAY, (Kind.ARRAY, many)).write(path), "items to go through")
    refused(key("a", Kind.STRING, "x" * 101).write(path), "MiB of text")
    refused(drafted(lambda made: made.data.extend(bytes(999)), keys=4).write(path), "4 keys")
    refused(drafted(lambda made: made.data.extend(bytes(999)), tensors=4).write(path), "4 tensors")
    assert read(key("a", Kind.ARRAY, (Kind.STRING, [""] * 100)).write(path)).metadata


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    def part(name: str, number: int, count: int, tensor: str, whole: int) -> Path:
        made = Draft()
        made.head(1, 3)
        made.key("split.no", Kind.UINT16, number)
        made.key("split.count", Kind.UINT16, count)
        made.key("split.tensors.count", Kind.INT32, whole)
        made.tensor(tensor, (1,), 0, 0)
        made.data_of(4)
        return made.write(tmp_path / name)

    first = part("m-00001-of-00002.gguf", 0, 2, "a", 2)
    second = part("other.gguf", 1, 2, "b", 2)
    assert len(read(second, first).tensors) == 2

    for paths, words in (
        ((first,), "one of 2 parts, and 1 came"),
        ((first, second, second), "one of 2 parts, and 3 came"),
        ((first, first), "Part 2 of 2 is missing"),
        ((first, part("x", 1, 2, "a", 2)), "two tensors of one name"),
        ((part("y", 0, 2, "a", 7), second), "2 tensors, 7 should"),
    ):
        with pytest.raises(BadModelFile, match=words):
            read(*paths)
    with pytest.raises(BadModelFile, match=r"m-00002-of-00002\.gguf is missing"):
        siblings(first)
    with pytest.raises(BadModelFile, match="is not named as such"):
        siblings(second)


# Each example is twenty mutants, so that there are 10,000 of them, and more by `make fuzz`.
@settings(
    max_examples=max(500, settings().max_examples),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**64))
def test_ten_thousand_broken_headers_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    random, path = Random(seed), tmp_path / "mutant.gguf"
    for _ in range(20):
        read_to_the_end(written(path, mutant(random)))


def test_mutants_are_neither_all_read_nor_all_refused(tmp_path: Path) -> None:
    random, path = Random(1), tmp_path / "mutant.gguf"
    read_count = 0
    for _ in range(300):
        read_count += read_to_the_end(written(path, mutant(random))) is not None

    assert 15 < read_count < 285


def test_claims_are_not_believed_with_memory(tmp_path: Path) -> None:
    draft, path = whole("little", 3), tmp_path / "inflated.gguf"
    read_to_the_end(draft.write(path))
    for spot in draft.spots:
        for claim in (2**31 - 1, 2**40, 2**63 - 1, 2**64 - 1):
            data = bytearray(draft.data)
            limited = min(claim, 2 ** (8 * spot.size) - 1)
            data[spot.at : spot.at + spot.size] = limited.to_bytes(spot.size, "little")
            written(path, data)
            tracemalloc.start()
            read_to_the_end(path)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 1 << 20, (spot, claim)
