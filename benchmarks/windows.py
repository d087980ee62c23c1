"""What a model with sliding windows reuses of its cache, with whole windows kept and without.

Usage: python benchmarks/windows.py

The library can keep all cells of the layers with a window (`swa_full`, as Puna does), or no more
than the window needs. The second takes less memory; the first table says what it costs: the tokens
of a prompt that need not be computed again. The second says how much the memory is, by the sizes of
real models. No clock is involved.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import subject

import puna.engine.context as contexts
from puna.engine.abi import LlamaContextParams
from puna.engine.layout import laid_out
from puna.engine.sequence import Output, Request
from puna.protocol import Placement

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
import stand_in

SYSTEM, QUESTION, ANSWER = 1500, 300, 300
WAYS = (
    "the next turn",
    "the same prompt again",
    "another question after the same system prompt",
)
CONTEXTS = (8192, 32_768)


@dataclass(frozen=True)
class Windowed:
    """How the layers of a real model keep their cells."""

    name: str
    layers: int
    whole: int
    window: int
    bytes_a_cell: int

    def mebibytes(self, context: int, *, full: bool, batch: int = 512) -> float:
        """The cache of one sequence, in f16."""
        windowed = context if full else min(context, -(-(self.window + batch) // 256) * 256)
        cells = self.whole * context + (self.layers - self.whole) * windowed
        return cells * self.bytes_a_cell / 2**20


# Bytes of keys and values of one cell in one layer, by the models' published shapes.
MODELS = (
    Windowed("gemma3 1b", 26, 4, 512, 2 * 2 * 1 * 256),
    Windowed("gemma3 4b", 34, 5, 1024, 2 * 2 * 4 * 256),
    Windowed("gemma3 12b", 48, 8, 1024, 2 * 2 * 8 * 256),
    Windowed("gemma3 27b", 62, 10, 1024, 2 * 2 * 16 * 128),
)


@contextmanager
def kept(*, full: bool) -> Iterator[None]:
    """Contexts that are made in this block keep whole windows, or not."""

    def decided(*given: Any, **named: Any) -> LlamaContextParams:
        params = laid_out(*given, **named)
        params.swa_full = full
        return params

    contexts.laid_out = decided
    try:
        yield
    finally:
        contexts.laid_out = laid_out


def shared(key: str, tokens: list[int], most: int) -> Request:
    """A request that may reuse what the others left in the cache."""
    return replace(subject.request(key, tokens, most), space="shared")


def reused(weights: Path, way: str, *, full: bool) -> str:
    """The tokens of a prompt that are in the cache after another one, and how many it has."""
    placement = Placement(context=16_384, sequences=4, pooled=True, batch=128, threads=1)
    system, first = subject.prompt(1, SYSTEM), subject.prompt(1, SYSTEM + QUESTION)
    with (
        kept(full=full),
        subject.opened(weights, placement) as model,
        subject.context(model, placement) as context,
        subject.engine(context) as engine,
    ):
        heard: list[Output] = []
        engine.between = heard.extend
        engine.engine.submit(shared("first", first, ANSWER))
        engine.finish("first")
        answer = [drawn.token for output in heard for drawn in output.drawn]
        follow = {
            "the next turn": [*first, *answer, *subject.prompt(3, QUESTION)],
            "the same prompt again": first,
            "another question after the same system prompt": [
                *system,
                *subject.prompt(4, QUESTION),
            ],
        }[way]
        engine.engine.submit(shared(way, follow, 4))
        engine.finish(way)
        cached = next(one.cached for one in heard if one.key == way and one.cached is not None)
    return f"{cached} of {len(follow)}"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = stand_in.write(Path(folder) / "gemma3.gguf", "gemma3")
        print("| tokens in the cache already | whole | windows only |\n| --- | --- | --- |")
        for way in WAYS:
            whole, part = (reused(weights, way, full=full) for full in (True, False))
            print(f"| {way} | {whole} | {part} |")
    print("\n| cache of a sequence, MiB | whole | windows only | |\n| --- | --- | --- | --- |")
    for model in MODELS:
        for context in CONTEXTS:
            full, less = (model.mebibytes(context, full=one) for one in (True, False))
            print(f"| {model.name}, {context} | {full:.0f} | {less:.0f} | {full / less:.1f} |")


if __name__ == "__main__":
    main()
