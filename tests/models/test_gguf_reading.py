"""What a sound GGUF file says is read back as it was written, and arrays stay in the file."""

import ctypes
import gc
import mmap
import struct
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from headers import Order, key, whole
from hypothesis import given
from hypothesis import strategies as st

from puna.engine.origin import embedded
from puna.models.gguf import Array, Kind, Value, read, siblings
from puna.models.gguf.kinds import TENSOR_TYPES
from puna.models.gguf.strings import end_of_strings

ENDS = {"little": gguf.GGUFEndian.LITTLE, "big": gguf.GGUFEndian.BIG}
ORDERS: tuple[Order, ...] = ("little", "big")


def plain(value: Value) -> Any:
    return [plain(item) for item in value] if isinstance(value, Array) else value


def written(path: Path, order: Order = "little", **options: Any) -> gguf.GGUFWriter:
    return gguf.GGUFWriter(path, "llama", endianess=ENDS[order], **options)


def finished(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("order", ORDERS)
def test_what_the_gguf_package_writes_is_read_back(tmp_path: Path, order: Order) -> None:
    path = tmp_path / "model.gguf"
    writer = written(path, order)
    expected: dict[str, Any] = {
        "general.architecture": "llama",
        "a.uint8": 255,
        "a.int8": -128,
        "a.uint16": 65535,
        "a.int16": -32768,
        "a.uint32": 2**32 - 1,
        "a.int32": -(2**31),
        "a.uint64": 2**64 - 1,
        "a.int64": -(2**63),
        "a.float32": 1.5,
        "a.float64": 0.1,
        "a.bool": True,
        "a.string": "wool ø 東京",
        "many.strings": ["", "a", "x" * 300, "\0" * 9, "ø"],
        "many.ints": [1, -2, 3],
        "many.floats": [1.5, -2.5],
        "many.bools": [True, False],
        "nested": [[1, 2], [3]],
    }
    for name, value in expected.items():
        kind = name.partition(".")[2]
        if isinstance(value, list):
            writer.add_array(name, value)
        elif kind != "architecture":
            getattr(writer, f"add_{kind}")(name, value)
    writer.add_tensor("a.weight", np.zeros((3, 64), np.float32))
    writer.add_tensor("b.weight", np.zeros((5, 7), np.float16))
    finished(writer)

    header = read(path)

    assert {name: plain(value) for name, value in header.metadata.items()} == expected
    assert (header.version, header.byte_order) == (3, order)
    assert [(it.name, it.shape, it.type.name, it.size) for it in header.tensors] == [
        ("a.weight", (64, 3), "F32", 768),
        ("b.weight", (7, 5), "F16", 70),
    ]
    assert header.tensor_bytes == 838
    assert header.size == path.stat().st_size


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("version", [2, 3])
def test_each_version_and_byte_order_is_read(tmp_path: Path, version: int, order: Order) -> None:
    header = read(whole(order, version).write(tmp_path / "model.gguf"))

    assert (header.version, header.byte_order) == (version, order)
    assert plain(header.metadata["nested"]) == [[[1, 2]], ["a"]]
    assert plain(header.metadata["many.UINT64"]) == [1, 1, 1]
    assert plain(header.metadata["tokenizer.ggml.tokens"]) == ["<s>", "", "wool " * 60, "ø"]
    assert [tensor.offset % 64 for tensor in header.tensors] == [0, 0, 0]


def test_a_tensor_lies_where_the_reference_reader_finds_it(pocket_model: Path) -> None:
    reference = gguf.GGUFReader(pocket_model)

    tensors = read(pocket_model).tensors

    assert [(it.name, it.offset, it.size, it.type.name, it.shape) for it in tensors] == [
        (it.name, it.data_offset, it.n_bytes, it.tensor_type.name, tuple(map(int, it.shape)))
        for it in reference.tensors
    ]


def test_a_real_vocabulary_is_read_as_the_reference_reads_it(llama_source: Path) -> None:
    path = llama_source / "models" / "ggml-vocab-llama-spm.gguf"
    reference = gguf.GGUFReader(path)

    metadata = read(path).metadata

    assert list(metadata) == [field for field in reference.fields if field[:5] != "GGUF."]
    for field, value in metadata.items():
        assert plain(value) == reference.fields[field].contents()


def test_all_real_vocabularies_are_read(llama_source: Path) -> None:
    for path in sorted((llama_source / "models").glob("*.gguf")):
        tokens = read(path).metadata["tokenizer.ggml.tokens"]
        assert isinstance(tokens, Array)
        assert len(tokens) == sum(1 for _ in tokens), path


def test_the_types_are_those_of_the_engine() -> None:
    library = ctypes.CDLL(str(embedded().path))
    library.ggml_type_name.restype = ctypes.c_char_p
    library.ggml_type_size.restype = ctypes.c_size_t
    library.ggml_blck_size.restype = ctypes.c_int64

    for number in range(64):
        name = (library.ggml_type_name(number) or b"") if number < 43 else b""
        block = library.ggml_blck_size(number) if name else 0
        if number not in TENSOR_TYPES:
            assert block == 0, number
            continue
        stored = TENSOR_TYPES[number]
        assert (stored.name, stored.block, stored.bytes) == (
            name.decode().upper(),
            block,
            library.ggml_type_size(number),
        )


def test_a_vocabulary_stays_in_the_file(tmp_path: Path) -> None:
    tokens = [f"token {number}" for number in range(50_000)]
    path = key("tokens", Kind.ARRAY, (Kind.STRING, tokens)).write(tmp_path / "model.gguf")
    read(path)
    tracemalloc.start()
    try:
        array = read(path).metadata["tokens"]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 50_000
    assert list(array) == list(array) == tokens  # pyright: ignore[reportArgumentType]


def test_a_string_of_an_array_is_found_without_reading_all(tmp_path: Path) -> None:
    for order in ORDERS:
        made = key("tokens", Kind.ARRAY, (Kind.STRING, ["<s>", "wool", "ø"]), order=order)
        array = read(made.write(tmp_path / order)).metadata["tokens"]
        assert isinstance(array, Array)
        assert array.mentions("wool")
        assert array.mentions("ø")
        assert not array.mentions("woo")
        assert not array.mentions("tokens")


def test_text_that_is_no_utf8_is_shown_as_well_as_it_goes(tmp_path: Path) -> None:
    header = read(key("text", Kind.STRING, b"wo\xffol").write(tmp_path / "model.gguf"))

    assert header.metadata["text"] == "wo\ufffdol"


# The lengths that real strings have, and those that upset what looks for rows of zero bytes.
LENGTHS = st.one_of(
    st.integers(0, 20), st.sampled_from([0, 7, 8, 255, 256, 257, 1000, 40_000]), st.integers(0, 300)
)
TEXTS = st.sampled_from([b"a", b"\0", b"\1\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\5"])


@given(
    runs=st.lists(st.tuples(st.integers(1, 1500), LENGTHS, TEXTS), max_size=6),
    before=st.integers(0, 9),
    order=st.sampled_from(ORDERS),
    cut=st.integers(0, 20),
)
def test_strings_are_passed_as_if_each_were_read(
    runs: Sequence[tuple[int, int, bytes]], before: int, order: Order, cut: int
) -> None:
    mark = "<Q" if order == "little" else ">Q"
    data, count = bytearray(before), 0
    for number, length, text in runs:
        number = min(number, 400_000 // (length + 8))
        data += (struct.pack(mark, length) + (text * length)[:length]) * number
        count += number
    end = len(data)
    kept = end - min(cut, end - before)
    mapped = mmap.mmap(-1, max(kept, 1))
    mapped.write(data[:kept])

    found = end_of_strings(mapped, before, count, order)

    assert found == (end if kept == end else -1)


def test_parts_in_any_order_are_one_model(tmp_path: Path) -> None:
    parts = split(tmp_path, 3)

    header = read(parts[2], parts[0], parts[1])

    assert header.parts == parts
    assert [(it.name, it.part) for it in header.tensors] == [
        (f"t{number}", number) for number in range(3)
    ]
    assert header.metadata["general.architecture"] == "llama"
    assert header.size == sum(part.stat().st_size for part in parts)
    assert siblings(parts[1]) == siblings(parts[0]) == parts


def test_a_whole_file_has_no_siblings(pocket_model: Path) -> None:
    assert siblings(pocket_model) == (pocket_model,)


def split(folder: Path, count: int) -> tuple[Path, ...]:
    writer = written(folder / "model.gguf", split_max_tensors=1)
    for number in range(count):
        writer.add_tensor(f"t{number}", np.full((2, 32), number, np.float32))
    finished(writer)
    return tuple(sorted(folder.glob("*.gguf")))


def test_the_file_is_let_go_with_the_last_array(tmp_path: Path) -> None:
    path = whole("little", 3).write(tmp_path / "model.gguf")
    tokens = read(path).metadata["tokenizer.ggml.tokens"]
    path.unlink()
    assert plain(tokens)[0] == "<s>"
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(path) in maps.read_text()
        del tokens
        gc.collect()
        assert str(path) not in maps.read_text()
