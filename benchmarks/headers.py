"""How long the header of a model with a large vocabulary takes to read.

Usage: python benchmarks/headers.py

The file is generated: 150,000 tokens with scores and types, as many merges, 300 tensors. Beside it
the largest of llama.cpp's vocabularies are read.
"""

import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from findings import Finding, median, table

from puna.models.facts import facts
from puna.models.gguf import read

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
import sdist

GOAL_MS = 20.0
TOKENS = 150_000
TENSORS = 300
TIMES = 25
REAL = ("qwen2", "llama-bpe", "gemma-4")
UINT32, INT32, FLOAT32, STRING, ARRAY = 4, 5, 6, 8, 9


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def strings(count: int) -> Iterator[bytes]:
    """Texts as long as real tokens are, a few of them very long."""
    chance = random.Random(1)
    for number in range(count):
        length = 400 if number % 20_000 == 19_999 else int(chance.gammavariate(3, 2.3)) + 1
        yield string(chance.randbytes(length).replace(b"\0", b" "))


def array(name: bytes, kind: int, count: int, items: bytes) -> bytes:
    return string(name) + struct.pack("<iiQ", ARRAY, kind, count) + items


def write(path: Path) -> Path:
    """A header as large models have it."""
    keys = [
        string(b"general.architecture") + struct.pack("<i", STRING) + string(b"llama"),
        string(b"llama.block_count") + struct.pack("<iI", UINT32, 32),
        array(b"tokenizer.ggml.tokens", STRING, TOKENS, b"".join(strings(TOKENS))),
        array(b"tokenizer.ggml.scores", FLOAT32, TOKENS, bytes(4 * TOKENS)),
        array(b"tokenizer.ggml.token_type", INT32, TOKENS, bytes(4 * TOKENS)),
        array(b"tokenizer.ggml.merges", STRING, TOKENS, b"".join(strings(TOKENS))),
    ]
    tensors = [
        string(b"blk.%d.weight" % number) + struct.pack("<IQQiQ", 2, 32, 32, 0, 4096 * number)
        for number in range(TENSORS)
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, TENSORS, len(keys))
    header = head + b"".join(keys) + b"".join(tensors)
    path.write_bytes(header + bytes(-len(header) % 32 + 4096 * TENSORS))
    return path


def times(act: Callable[[], object]) -> list[float]:
    """Milliseconds, several times over; the first, which reads from the disk, is left out."""
    found = list[float]()
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        act()
        found.append((time.perf_counter() - began) * 1000)
    return found[1:]


def measure() -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "generated.gguf")
        header = read(path)
        what = f"header of {TOKENS} tokens and merges, generated"
        findings = [
            median(f"{what}: read", times(lambda: read(path)), "ms", GOAL_MS),
            median(f"{what}: its facts", times(lambda: facts(header)), "ms"),
        ]
    for name in REAL:
        path = sdist.llama_source() / "models" / f"ggml-vocab-{name}.gguf"
        findings.append(median(f"vocabulary of {name}: read", times(partial(read, path)), "ms"))
    return findings


if __name__ == "__main__":
    print(table(measure()))
