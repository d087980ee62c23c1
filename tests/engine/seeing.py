"""An engine that sees, driven from a test, and the library's own evaluation as its oracle."""

import ctypes as C
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import stand_in_parts
from stand_in_parts import png
from tests.engine.harness import Driver, request

from puna.engine.context import Context, Floats, Outcome, Span
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.pictures import Picture, weave
from puna.engine.sequence import Request
from puna.engine.vision import Projector
from puna.protocol import Pace, Placement

Shape = Callable[[str], Path]
Part = list[int] | bytes
ARCHITECTURES = ["llama", "gemma3", "qwen2vl"]
ROUNDING = 0.6
POOL = Placement(context=512, sequences=4, pooled=True, batch=128, threads=1)
STREAMS = Placement(context=512, sequences=4, pooled=False, batch=128, threads=1)
HERE, THERE = png(40, 40, seed=1), png(64, 48, seed=2)


@dataclass
class Seeing:
    """An engine that sees, and the library alone beside it."""

    engine: Driver
    projector: Projector
    model: Model
    library: Library
    placement: Placement

    def request(self, key: str, parts: list[Part], **fields: object) -> Request:
        tokens, pictures = weave(self._pieces(parts))
        return request(key, list(tokens), pictures=pictures, **fields)

    def _pieces(self, parts: list[Part]) -> Iterator[int | Picture]:
        for part in parts:
            yield from self.projector.read(part) if isinstance(part, bytes) else part

    def regret(self, parts: list[Part], emitted: list[int]) -> float:
        """By how much an emitted token was worse than the library's best, at worst."""
        if isinstance(parts[-1], bytes):
            # The library's own helper gives no logits after an image.
            parts, emitted = [*parts, emitted[:1]], emitted[1:]
        context = Context(self.model, self.placement)
        try:
            rows = list(self._rows(context, parts, emitted[:-1]))
        finally:
            context.close()
        ends = list(self.model.vocabulary.end_tokens)
        return max(
            float(np.delete(row, ends).max() - row[token])
            for row, token in zip(rows, emitted, strict=True)
        )

    def _rows(self, context: Context, parts: list[Part], then: list[int]) -> Iterator[Floats]:
        # A projector encodes one image at a time, and one that was cancelled may still be at it.
        self.projector._worker.submit(lambda: None).result()
        call = self.library.call
        evaluate = C.CDLL(str(self.library.origin.path)).mtmd_helper_eval_chunks
        evaluate.argtypes = [C.c_void_p] * 3 + [C.c_int] * 3 + [C.c_bool, C.c_void_p]
        past = C.c_int32(0)
        for part in parts:
            if isinstance(part, bytes):
                chunks = self.projector._prepare(part)
                arguments = past.value, 0, self.placement.batch, True, C.addressof(past)
                pointers = self.projector.pointer, context.pointer, chunks
                assert evaluate(*pointers, *arguments) == 0
                call.mtmd_input_chunks_free(chunks)
            else:
                assert context.step([Span(0, past.value, part, 1)]) is Outcome.DONE
                past.value += len(part)
        yield context.logits(0).copy()
        for count, token in enumerate(then):
            assert context.step([Span(0, past.value + count, [token], 1)]) is Outcome.DONE
            yield context.logits(0).copy()


@contextmanager
def seeing(
    library: Library, shape: Shape, architecture: str, placement: Placement, pace: Pace
) -> Iterator[Seeing]:
    path = shape(architecture)
    model = Model(library, (str(path),), placement)
    file = stand_in_parts.write_projector(path.with_suffix(".projector.gguf"), architecture)
    projector = Projector(model, str(file), placement)
    context = Context(model, placement)
    engine = Driver(context, pace, projector)
    try:
        yield Seeing(engine, projector, model, library, placement)
        engine.engine.close()
        assert not engine.broken, engine.broken
    finally:
        engine.engine.close()
        context.close()
        projector.close()
        model.close()
