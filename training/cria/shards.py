"""Examples made ahead and kept as arrays, so that training never waits for text."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from draw import Draw
from mixture import Weigher, example
from vocabulary import load

EXAMPLES = 25_000
LENGTHS = (48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512)
GRAINS = 100


def write(folder: Path, number: int, seed: int) -> Path:
    """Make one shard; the same seed and number give the same shard."""
    path = folder / f"shard-{seed}-{number:03}.npz"
    if path.exists():
        return path
    tokenizer = load(folder / "tokenizer.json")
    weigher = Weigher(tokenizer)
    draw = Draw(f"shard {seed} {number}", held_out=False)
    examples = [example(draw) for _ in range(EXAMPLES)]
    ids = [each.ids for each in tokenizer.encode_batch([each.text for each in examples])]
    weights = [weigher.weights(each, made.kind) for each, made in zip(ids, examples, strict=True)]
    kept = [index for index, each in enumerate(ids) if len(each) <= LENGTHS[-1] + 1]
    np.savez(
        path.with_suffix(".part.npz"),
        ids=np.concatenate([ids[index] for index in kept]).astype(np.uint16),
        weights=np.concatenate([weights[index] * GRAINS for index in kept]).astype(np.uint8),
        ends=np.cumsum([len(ids[index]) for index in kept]),
    )
    path.with_suffix(".part.npz").rename(path)
    return path


def batches(path: Path, tokens: int, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Inputs, targets and weights in rows of like length, `tokens` to a batch, shuffled."""
    shard = np.load(path)
    ends = shard["ends"]
    ids, weights = shard["ids"].astype(np.int64), shard["weights"].astype(np.float32) / GRAINS
    starts = np.concatenate([[0], ends[:-1]])
    order = np.random.default_rng(seed).permutation(len(ends))
    rows: dict[int, list[int]] = {length: [] for length in LENGTHS}
    for index in order:
        length = next(each for each in LENGTHS if ends[index] - starts[index] - 1 <= each)
        rows[length].append(index)
        if len(rows[length]) == tokens // length:
            yield _batch(rows[length], length, starts, ends, ids, weights)
            rows[length] = []


def _batch(rows, length, starts, ends, ids, weights):
    inputs = np.zeros((len(rows), length), np.int64)
    targets, weighed = np.zeros_like(inputs), np.zeros((len(rows), length), np.float32)
    for row, index in enumerate(rows):
        start, size = starts[index], ends[index] - starts[index] - 1
        inputs[row, :size] = ids[start : start + size]
        targets[row, :size] = ids[start + 1 : start + size + 1]
        weighed[row, :size] = weights[start + 1 : start + size + 1]
    return inputs, targets, weighed


if __name__ == "__main__":
    for shard_number in range(int(sys.argv[2]), int(sys.argv[3])):
        print(write(Path(sys.argv[1]), shard_number, seed=1), flush=True)
