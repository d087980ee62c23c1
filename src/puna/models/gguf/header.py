"""The header of one GGUF file: what it says of the model, and where its tensors lie."""

import mmap
import os
from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import prod
from pathlib import Path

import msgspec

from puna.errors import BadModelFile
from puna.models.gguf.arrays import Value, read_value
from puna.models.gguf.cursor import Cursor, broken
from puna.models.gguf.kinds import TENSOR_TYPES, Kind, TensorType
from puna.models.gguf.strings import ByteOrder

MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 17
MAX_DIMENSIONS = 4
MAX_TENSOR_NAME = 63
_MAGIC = b"GGUF"
_FIXED = 24


class Tensor(msgspec.Struct, frozen=True, gc=False):
    """A tensor: `offset` is from the beginning of its file, `part` says of which of several."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int
    size: int
    part: int = 0

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


class Header(msgspec.Struct, frozen=True):
    """What a model's file, or its files together, say of it.

    `parts` are the files in their order. `size` is all their bytes.
    """

    version: int
    byte_order: ByteOrder
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    parts: tuple[Path, ...]
    size: int

    @property
    def tensor_bytes(self) -> int:
        """How many bytes all tensors take."""
        return sum(tensor.size for tensor in self.tensors)


def read_file(path: Path) -> Header:
    """The header of one file."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if file.read(len(_MAGIC)) != _MAGIC or size < _FIXED:
                raise BadModelFile(f"{path.name} is not a GGUF file.")
            data = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    except OSError as error:
        raise BadModelFile(f"{path.name} cannot be read: {error.strerror}.") from error
    version, order = _version(data, path.name)
    cursor = Cursor(data, 8, order, path.name)
    count, keys = cursor.whole(Kind.UINT64, "it"), cursor.whole(Kind.UINT64, "it")
    _check_count(cursor, keys, MAX_KEYS, 13, "keys")
    _check_count(cursor, count, MAX_TENSORS, 24, "tensors")
    metadata = _metadata(cursor, keys)
    tensors = _tensors(cursor, count, _alignment(cursor, metadata))
    return Header(version, order, metadata, tensors, (path,), size)


def _version(data: mmap.mmap, file: str) -> tuple[int, ByteOrder]:
    little, big = (int.from_bytes(data[4:8], order) for order in ("little", "big"))
    if little in (2, 3):
        return little, "little"
    if big in (2, 3):
        return big, "big"
    raise broken(file, f"its version is {min(little, big)}, and only 2 and 3 are known")


def _check_count(cursor: Cursor, count: int, most: int, least: int, what: str) -> None:
    if count > most:
        cursor.fail(f"it has {count} {what}, more than {most}")
    cursor.room_for(count, least, f"its {count} {what}")


def _metadata(cursor: Cursor, count: int) -> dict[str, Value]:
    metadata = dict[str, Value]()
    for place in range(count):
        key = cursor.name(f"the name of key {place + 1}")
        if key in metadata:
            cursor.fail(f"it has the key {key[:100]!r} twice")
        what = f"the key {key[:100]!r}"
        metadata[key] = read_value(cursor, cursor.whole(Kind.INT32, what), what)
    return metadata


def _alignment(cursor: Cursor, metadata: Mapping[str, Value]) -> int:
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or alignment < 1 or alignment.bit_count() != 1:
        cursor.fail(f"its alignment is {str(alignment)[:100]}, which is no power of two")
    return alignment


def _tensors(cursor: Cursor, count: int, alignment: int) -> tuple[Tensor, ...]:
    tensors = [_tensor(cursor, place) for place in range(count)]
    if len({tensor.name for tensor in tensors}) < count:
        cursor.fail("it has two tensors of one name")
    start = -(-cursor.at // alignment) * alignment
    placed = tuple(_placed(cursor, tensor, start, alignment) for tensor in tensors)
    _check_apart(cursor, placed)
    return placed


def _tensor(cursor: Cursor, place: int) -> Tensor:
    """A tensor as the file describes it; its offset is from where all their data begins."""
    name = cursor.name(f"the name of tensor {place + 1}")
    what = f"the tensor {name[:100]!r}"
    if len(name.encode()) > MAX_TENSOR_NAME:
        cursor.fail(f"the name of {what} is longer than {MAX_TENSOR_NAME} bytes")
    dimensions = cursor.whole(Kind.UINT32, what)
    if dimensions > MAX_DIMENSIONS:
        cursor.fail(f"{what} has {dimensions} dimensions, more than {MAX_DIMENSIONS}")
    shape = tuple(cursor.whole(Kind.UINT64, what) for _ in range(dimensions))
    number = cursor.whole(Kind.INT32, what)
    stored = TENSOR_TYPES.get(number)
    if stored is None:
        cursor.fail(f"{what} is of type {number}, which the engine does not know")
    row = shape[0] if shape else 1
    if row % stored.block:
        cursor.fail(f"{what} has rows of {row} numbers, {stored.name} has blocks of {stored.block}")
    size = prod(shape) // stored.block * stored.bytes
    return Tensor(name, shape, stored, cursor.whole(Kind.UINT64, what), size)


def _placed(cursor: Cursor, tensor: Tensor, start: int, alignment: int) -> Tensor:
    if tensor.offset % alignment:
        cursor.fail(f"the tensor {tensor.name!r} is not aligned to {alignment} bytes")
    placed = msgspec.structs.replace(tensor, offset=start + tensor.offset)
    end = placed.offset + placed.size
    if end > len(cursor.data):
        cursor.fail(
            f"the tensor {tensor.name!r} ends at byte {end} of {len(cursor.data)};"
            " the file is cut short"
        )
    return placed


def _check_apart(cursor: Cursor, tensors: Iterable[Tensor]) -> None:
    ordered = sorted((tensor for tensor in tensors if tensor.size), key=lambda it: it.offset)
    for one, next_one in pairwise(ordered):
        if one.offset + one.size > next_one.offset:
            cursor.fail(f"the tensors {one.name!r} and {next_one.name!r} overlap")
