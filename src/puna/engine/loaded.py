"""A loaded model with all that serves it: weights, contexts, engine, template, markup, grammars."""

import time
from collections.abc import Callable

from msgspec.structs import replace

from puna.engine.breakers import Spellings
from puna.engine.constraints import Grammars
from puna.engine.embedding import Embedding
from puna.engine.engine import Engine
from puna.engine.opening import Opened
from puna.engine.prompts import Prompts
from puna.engine.sequence import Output
from puna.engine.vision import Projector
from puna.errors import MissingCapability, PunaError
from puna.protocol import Busyness, Facts, Load
from puna.text.templates import CHATML, Template
from puna.text.tokens import Specials
from puna.text.voices import Voices


class Loaded:
    """One model, ready to run. It has passed its self-check."""

    def __init__(
        self,
        opened: Opened,
        load: Load,
        emit: Callable[[list[Output]], None],
        failed: Callable[[PunaError], None],
        ahead: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._load = load
        self.model = opened.model
        self.adapters = opened.adapters
        self._context = opened.context
        vocabulary = self.model.vocabulary
        template = Template(
            load.template or self.model.template or CHATML,
            bos=_text(vocabulary.piece(vocabulary.bos)) if vocabulary.bos is not None else "",
            eos=_text(vocabulary.piece(vocabulary.eos)) if vocabulary.eos is not None else "",
        )
        self.voices = Voices(template)
        specials = Specials(vocabulary)
        self.embedding = Embedding(
            self.model,
            specials,
            load.placement,
            causal=self.model.causal if self.model.pooling else self._context is not None,
            adapters=self.adapters,
        )
        self._engine: Engine | None = None
        self.projector: Projector | None = None
        if self._context is None:
            self.embedding.check()
        else:
            if load.projector:
                self.projector = Projector(self.model, load.projector, load.placement)
            self._engine = Engine(
                self._context, load.pace, emit, failed, ahead=ahead, projector=self.projector
            )
            self._engine.start()
            # Last, since its start takes a core that the others were waiting for.
            template.warm()
        self.grammars = Grammars(vocabulary, specials)
        self.breakers = Spellings(vocabulary)
        self.prompts = Prompts(vocabulary, specials, self.voices, self.projector)
        self.memory = opened.footprint.measured()
        self.load_seconds = time.perf_counter() - opened.began

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
    def gathers(self) -> float:
        """For how many seconds what is to be told may wait for more."""
        return self._load.pace.gather

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
            memory=self.memory,
        )

    def close(self) -> None:
        """End the engine and free everything, in the order in which it was made, reversed."""
        if self._engine is not None:
            self._engine.close()
        self.grammars.close()
        self.embedding.close()
        self.voices.close()
        if self._context is not None:
            self._context.close()
        if self.projector is not None:
            self.projector.close()
        self.model.close()


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", "replace")
