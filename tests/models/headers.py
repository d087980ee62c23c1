"""Writes GGUF files byte by byte, broken ones too, and knows where each claim in them stands."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from puna.models.gguf.kinds import CODES, TENSOR_TYPES, Kind

Order = Literal["little", "big"]


@dataclass(frozen=True)
class Spot:
    """Where a number of the file stands that others depend on."""

    what: Literal["length", "kind", "number"]
    at: int
    size: int


@dataclass
class Draft:
    """A header as it grows; `items` are written as they are said."""

    order: Order = "little"
    version: int = 3
    data: bytearray = field(default_factory=bytearray)
    spots: list[Spot] = field(default_factory=list[Spot])

    def number(self, code: str, value: float, what: Any = "number") -> None:
        packed = struct.pack(("<" if self.order == "little" else ">") + code, value)
        self.spots.append(Spot(what, len(self.data), len(packed)))
        self.data += packed

    def string(self, text: str | bytes) -> None:
        encoded = text if isinstance(text, bytes) else text.encode()
        self.number("Q", len(encoded), "length")
        self.data += encoded

    def head(self, tensors: int, keys: int) -> None:
        self.data += b"GGUF"
        self.number("I", self.version)
        self.number("Q", tensors, "length")
        self.number("Q", keys, "length")

    def value(self, kind: int, value: Any) -> None:
        if kind == Kind.STRING:
            self.string(value)
        elif kind == Kind.ARRAY:
            self.array(*value)
        else:
            self.number(CODES[Kind(kind)], value)

    def array(self, kind: int, items: Sequence[Any]) -> None:
        self.number("i", kind, "kind")
        self.number("Q", len(items), "length")
        for item in items:
            self.value(kind, item)

    def key(self, name: str | bytes, kind: int, value: Any) -> None:
        self.string(name)
        self.number("i", kind, "kind")
        self.value(kind, value)

    def tensor(self, name: str, shape: Sequence[int], kind: int, offset: int) -> None:
        self.string(name)
        self.number("I", len(shape), "length")
        for size in shape:
            self.number("Q", size, "length")
        self.number("i", kind, "kind")
        self.number("Q", offset)

    def data_of(self, size: int, alignment: int = 32) -> None:
        """Room for the tensors' data."""
        self.data += bytes(-len(self.data) % alignment + size)

    def write(self, path: Path) -> Path:
        return written(path, self.data)


def written(path: Path, data: bytes | bytearray) -> Path:
    """A new file in the place of any old one: to overwrite one waits for the disk."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def key(name: str | bytes, kind: int, value: Any, **draft: Any) -> Draft:
    """A file with a single key."""
    made = Draft(**draft)
    made.head(0, 1)
    made.key(name, kind, value)
    return made


def whole(order: Order, version: int) -> Draft:
    """A small model with keys of every kind, nested arrays, and tensors of several types."""
    numbers = {kind: 1.5 if kind in (Kind.FLOAT32, Kind.FLOAT64) else 1 for kind in CODES}
    made = Draft(order, version)
    made.head(3, 2 * len(numbers) + 5)
    made.key("general.architecture", Kind.STRING, "llama")
    for kind, number in numbers.items():
        made.key(f"one.{kind.name}", kind, number)
        made.key(f"many.{kind.name}", Kind.ARRAY, (kind, [number] * 3))
    made.key("tokenizer.ggml.tokens", Kind.ARRAY, (Kind.STRING, ["<s>", "", "wool " * 60, "ø"]))
    nested = [(Kind.ARRAY, [(Kind.INT8, [1, 2])]), (Kind.STRING, ["a"])]
    made.key("nested", Kind.ARRAY, (Kind.ARRAY, nested))
    made.key("general.alignment", Kind.UINT32, 64)
    made.key("tokenizer.chat_template", Kind.STRING, "{{ messages }}")
    offset = 0
    for name, shape, kind in (("a", (32, 3), 2), ("b", (7,), 0), ("c", (64, 2, 2), 8)):
        made.tensor(name, shape, kind, offset)
        stored = TENSOR_TYPES[kind]
        count = 1
        for size in shape:
            count *= size
        offset += -(-count // stored.block * stored.bytes // 64) * 64
    made.data_of(offset, 64)
    return made
