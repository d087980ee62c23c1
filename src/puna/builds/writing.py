"""Writes small GGUF files, for tests of engines: metadata, and tensors as bytes."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ALIGNMENT = 32
_VERSION = 3
# GGUF's numbers for types of values.
_UINT32, _FLOAT32, _STRING = 4, 6, 8

Value = int | float | str


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor: its innermost dimension comes first, its type is ggml's number."""

    name: str
    shape: tuple[int, ...]
    type: int
    data: bytes


def write_gguf(path: Path, metadata: Mapping[str, Value], tensors: Sequence[Tensor]) -> None:
    """Write a file."""
    head = [b"GGUF", struct.pack("<IQQ", _VERSION, len(tensors), len(metadata))]
    head += [_string(key) + _value(value) for key, value in metadata.items()]
    at = 0
    for tensor in tensors:
        dimensions = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        head.append(_string(tensor.name) + dimensions + struct.pack("<IQ", tensor.type, at))
        at += len(_padded(tensor.data))
    with path.open("wb") as file:
        file.write(_padded(b"".join(head)))
        for tensor in tensors:
            file.write(_padded(tensor.data))


def _value(value: Value) -> bytes:
    match value:
        case str():
            return struct.pack("<I", _STRING) + _string(value)
        case float():
            return struct.pack("<If", _FLOAT32, value)
        case int():
            return struct.pack("<II", _UINT32, value)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)
