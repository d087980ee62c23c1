"""A loaded model with all that serves it: weights, contexts, engine, template, markup, grammars."""

import math
import time
from collections.abc import Callable
from functools import cached_property

from msgspec.structs import replace

from puna.engine.constraints import Grammars
from puna.engine.context import Context, Span
from puna.engine.embedding import Embedding
from puna.engine.engine import Engine
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.prompts import Prompts
from puna.engine.sequence import Output
from puna.engine.vision import Projector
from puna.errors import LoadFailed, MissingCapability, PunaError
from puna.protocol import Busyness, Facts, Load
from puna.text.markup.format import Markup
from puna.text.markup.learning import learn
from puna.text.templates import CHATML, Template
from puna.text.tokens import Specials


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
        adapters = tuple((self.model.adapter(file), file.scale) for file in load.adapters)
        specials = Specials(vocabulary)
        self.adapters = adapters
        self._context = self._generating(adapters)
        self.embedding = Embedding(
            self.model,
            specials,
            load.placement,
            causal=self.model.causal if self.model.pooling else self._context is not None,
            adapters=adapters,
        )
        self._engine: Engine | None = None
        self.projector: Projector | None = None
        if self._context is None:
            self.embedding.check()
        else:
            self.template.warm()
            self._check(self._context)
            if load.projector:
                self.projector = Projector(self.model, load.projector, load.placement)
            self._engine = Engine(self._context, load.pace, emit, failed, projector=self.projector)
            self._engine.start()
        self.grammars = Grammars(vocabulary, specials)
        self.prompts = Prompts(
            vocabulary, specials, self.template, lambda: self.markup, self.projector
        )
        self.load_seconds = time.perf_counter() - began

    @cached_property
    def markup(self) -> Markup:
        """How the model marks thinking and tool calls; learnt at the first need."""
        return learn(self.template)

    @property
    def engine(self) -> Engine:
        """What generates."""
        if self._engine is None:
            raise MissingCapability(
                f"This model cannot generate, it is made for {self.embedding.capabilities[0]}.",
                "Ask a model that chats or completes.",
            )
        return self._engine

    @property
    def speculates(self) -> bool:
        """Whether guesses may be verified: what a recurrent model took in stays in."""
        return self._load.pace.speculate and not self.model.recurrent

    @property
    def length(self) -> int:
        """How many tokens a job may have."""
        return self._context.length if self._context is not None else self.embedding.limit

    @property
    def busyness(self) -> Busyness:
        """How busy it is just now, with generating and embedding."""
        load = self._engine.busyness if self._engine is not None else Busyness()
        running, waiting = self.embedding.load
        return replace(
            load,
            running=load.running + running,
            waiting=load.waiting + waiting,
            steps=load.steps + self.embedding.steps,
        )

    @property
    def facts(self) -> Facts:
        """What the server may know of it."""
        model, placement = self.model, self._load.placement
        generates = ("completion",) if self._context is not None else ()
        sees = ("vision",) if self.projector is not None else ()
        return Facts(
            architecture=model.architecture,
            description=model.description,
            parameters=model.parameters,
            bytes=model.size,
            context_train=model.context_train,
            context=self.length,
            sequences=placement.sequences,
            vocabulary=model.vocabulary.size,
            width=model.width,
            capabilities=generates + sees + self.embedding.capabilities,
            recurrent=model.recurrent,
            load_seconds=self.load_seconds,
        )

    def close(self) -> None:
        """End the engine and free everything, in the order in which it was made, reversed."""
        if self._engine is not None:
            self._engine.close()
        self.grammars.close()
        self.embedding.close()
        self.template.close()
        if self._context is not None:
            self._context.close()
        if self.projector is not None:
            self.projector.close()
        self.model.close()

    def _generating(self, adapters: tuple[tuple[int, float], ...]) -> Context | None:
        """The context to generate with; None for models that only embed."""
        if self.model.encodes:
            raise LoadFailed(
                f"Models with an encoder before them ({self.model.architecture}) cannot run.",
                "Choose a model that is only a decoder, or only an encoder like BERT.",
            )
        if self.model.pooling is not None:
            return None
        context = Context(self.model, self._load.placement, adapters=adapters)
        if context.autoregressive:
            return context
        context.close()
        return None

    def _check(self, context: Context) -> None:
        """Run a few tokens, so that a broken kernel or file is found before anybody's request."""
        first = self.model.vocabulary.bos or 0
        tokens = [first, *range(3)]
        for position, span in enumerate((tokens, [1])):
            context.step([Span(0, 4 * position, span, 1)])
            logits = context.logits(0)
            if not math.isfinite(float(logits.max())) or logits.max() == logits.min():
                raise LoadFailed(
                    "The model's output is not a number.",
                    "Its file may be damaged, or the engine's build broken: see puna doctor.",
                )
        context.clear(0)


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", "replace")
