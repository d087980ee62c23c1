"""A model opened: its weights, its adapters and the context to generate with.

Nearly all of it happens in the library, so other threads have the interpreter meanwhile.
"""

import math
import time
from dataclasses import dataclass

from puna.engine.context import Context, Span
from puna.engine.footprint import Footprint
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.errors import LoadFailed
from puna.protocol import Load


@dataclass(frozen=True, slots=True)
class Opened:
    """What of a model the library holds. The context is None for models that only embed."""

    began: float
    footprint: Footprint
    model: Model
    adapters: tuple[tuple[int, float], ...]
    context: Context | None


def opened(library: Library, load: Load) -> Opened:
    """Load the weights; what generates has passed its self-check."""
    began, footprint = time.perf_counter(), Footprint(library)
    model = Model(library, load.weights, load.placement)
    if model.encodes:
        raise LoadFailed(
            f"Models with an encoder before them ({model.architecture}) cannot run.",
            "Choose a model that is only a decoder, or only an encoder like BERT.",
        )
    adapters = tuple((model.adapter(file), file.scale) for file in load.adapters)
    return Opened(began, footprint, model, adapters, _generating(model, load, adapters))


def _generating(
    model: Model, load: Load, adapters: tuple[tuple[int, float], ...]
) -> Context | None:
    """The context to generate with, if the model is made for that."""
    if model.pooling is not None:
        return None
    context = Context(model, load.placement, adapters=adapters)
    if not context.autoregressive:
        context.close()
        return None
    _check(context)
    return context


def _check(context: Context) -> None:
    """Run a few tokens, so that a broken kernel or file is found before anybody's request."""
    first = context.model.vocabulary.bos or 0
    tokens = [first, *range(3)]
    for position, span in enumerate((tokens, [1])):
        context.step([Span(0, 4 * position, span, 1)])
        logits = context.logits(0)
        if not math.isfinite(float(logits.max())) or logits.max() == logits.min():
            raise LoadFailed(
                "The model's output is not a number.",
                "Its file may be damaged, or the engine's build broken: try another of either.",
            )
    context.clear(0)
