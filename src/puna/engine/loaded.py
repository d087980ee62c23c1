"""A loaded model with all that serves it: weights, contexts, engine, template, markup, grammars."""

import math
import time
from collections.abc import Callable
from functools import cached_property

from puna.engine.constraints import Grammars
from puna.engine.context import Context, Span
from puna.engine.engine import Engine
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.prompts import Prompts
from puna.engine.sequence import Output
from puna.errors import LoadFailed, PunaError
from puna.protocol import Facts, Load
from puna.text.markup import Markup, learn
from puna.text.templates import CHATML, Template


class Loaded:
    """One model, ready to run. It has passed its self-check."""

    def __init__(
        self,
        library: Library,
        load: Load,
        emit: Callable[[list[Output]], None],
        failed: Callable[[PunaError], None],
    ) -> None:
        began = time.perf_counter()
        self._load = load
        self.model = Model(library, load.weights, load.placement)
        vocabulary = self.model.vocabulary
        self.template = Template(
            load.template or self.model.template or CHATML,
            bos=_text(vocabulary.piece(vocabulary.bos)) if vocabulary.bos is not None else "",
            eos=_text(vocabulary.piece(vocabulary.eos)) if vocabulary.eos is not None else "",
        )
        self.template.warm()
        adapters = tuple((self.model.adapter(file), file.scale) for file in load.adapters)
        self.context = Context(self.model, load.placement, adapters=adapters)
        self._check()
        self.engine = Engine(self.context, load.pace, emit, failed)
        self.engine.start()
        self.grammars = Grammars(vocabulary)
        self.prompts = Prompts(vocabulary, self.template, lambda: self.markup)
        self.load_seconds = time.perf_counter() - began

    @cached_property
    def markup(self) -> Markup:
        """How the model marks thinking and tool calls; learnt at the first need."""
        return learn(self.template)

    @property
    def facts(self) -> Facts:
        """What the server may know of it."""
        model, placement = self.model, self._load.placement
        return Facts(
            architecture=model.architecture,
            description=model.description,
            parameters=model.parameters,
            bytes=model.size,
            context_train=model.context_train,
            context=self.context.length,
            sequences=placement.sequences,
            vocabulary=model.vocabulary.size,
            width=model.width,
            capabilities=("completion",) if model.generates else ("embedding",),
            recurrent=model.recurrent,
            load_seconds=self.load_seconds,
        )

    def close(self) -> None:
        """End the engine and free everything, in the order in which it was made, reversed."""
        self.engine.close()
        self.template.close()
        self.context.close()
        self.model.close()

    def _check(self) -> None:
        """Run a few tokens, so that a broken kernel or file is found before anybody's request."""
        first = self.model.vocabulary.bos or 0
        tokens = [first, *range(3)]
        for position, span in enumerate((tokens, [1])):
            self.context.step([Span(0, 4 * position, span, 1)])
            logits = self.context.logits(0)
            if not math.isfinite(float(logits.max())) or logits.max() == logits.min():
                raise LoadFailed(
                    "The model's output is not a number.",
                    "Its file may be damaged, or the engine's build broken: see puna doctor.",
                )
        self.context.clear(0)


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", "replace")
