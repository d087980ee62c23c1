"""Embedding and reranking with a model: what it can, how its outputs are pooled, what comes back.

Scores are as llama.cpp gives them: the first of the classifier's outputs as it stands, which most
models leave unbounded (Qwen3's rerankers make it a probability themselves).
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np
from msgspec.structs import replace

from puna.deltas import Delta, DoneDelta, Usage, VectorsDelta
from puna.engine.abi import LlamaPoolingType as Pooling
from puna.engine.context import Context, Floats
from puna.engine.embedder import Embedder
from puna.engine.inputs import Inputs, Row
from puna.engine.model import Model
from puna.errors import BadRequest, MissingCapability
from puna.jobs import EmbedJob, RerankJob
from puna.protocol import Placement
from puna.text.tokens import Specials

# Inputs in a batch; each costs the library a row of logits, so not as many as could be.
SEQUENCES = 32
# The longest input of a model that is not made for embedding: its cache comes on top of what the
# placement was planned for.
BESIDE_TOKENS = 8192


class Embedding:
    """One model's side of embedding; cheap until its first use."""

    def __init__(
        self,
        model: Model,
        specials: Specials,
        placement: Placement,
        *,
        causal: bool,
        adapters: tuple[tuple[int, float], ...] = (),
    ) -> None:
        self._model = model
        self._adapters = adapters
        # Of causal models only the last token has seen the whole input; of others each has.
        self.pooling = model.pooling or (Pooling.LAST if causal else Pooling.MEAN)
        longest = min(placement.context, model.context_train or placement.context)
        self.limit = longest if model.pooling else min(longest, BESIDE_TOKENS)
        room = min(placement.batch, self.limit)
        # What is pooled from all tokens cannot come in pieces, nor where each sees all others.
        in_pieces = causal and self.pooling in (Pooling.LAST, Pooling.RANK)
        self._placement = replace(
            placement,
            context=self.limit,
            batch=room if in_pieces else self.limit,
            sequences=placement.sequences if model.recurrent else SEQUENCES,
            pooled=True,
        )
        self._inputs = Inputs(model.vocabulary, specials, model.rerank_template, self.limit)
        self._embedder = Embedder(self.context, room)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can: a model that ranks has no vectors."""
        return ("rerank",) if self.pooling is Pooling.RANK else ("embedding",)

    @property
    def steps(self) -> int:
        """How many steps it has made."""
        return self._embedder.steps

    @property
    def load(self) -> tuple[int, int]:
        """How many jobs are in the batch just now, and how many wait."""
        return self._embedder.load

    def close(self) -> None:
        """Let go of all jobs and free the context."""
        self._embedder.close()

    def inputs(self, job: EmbedJob | RerankJob) -> list[Row]:
        """What the job wants embedded, as tokens; blocks while it tokenises."""
        match job:
            case EmbedJob():
                self._check_embedding(job)
            case RerankJob() if self.pooling is not Pooling.RANK:
                raise MissingCapability(
                    "This model does not rank documents.", "Ask a reranking model."
                )
            case RerankJob():
                pass
        return self._inputs.rows(job)

    def submit(self, inputs: Sequence[Row]) -> Future[Floats]:
        """Begin to embed; to cancel the future stops it."""
        if not inputs:
            nothing: Future[Floats] = Future()
            nothing.set_result(np.zeros((0, self._model.width), np.float32))
            return nothing
        return self._embedder.submit(inputs)

    def check(self) -> None:
        """Embed a few tokens, so that a broken kernel or file is found before any request."""
        first = self._model.vocabulary.bos or 0
        self.submit([[first, *range(3)]]).result()

    def _check_embedding(self, job: EmbedJob) -> None:
        if self.pooling is Pooling.RANK:
            raise MissingCapability(
                "This model ranks documents, it does not embed them.", "Ask an embedding model."
            )
        width = self._model.width
        if job.dimensions is not None and not 1 <= job.dimensions <= width:
            raise BadRequest(f"dimensions is {job.dimensions}, it must be from 1 to {width}.")

    def context(self) -> Context:
        """A context to embed with."""
        context = self._made()
        if context.autoregressive or context.batch == self.limit:
            return context
        # The architecture is not causal, though the file does not say so.
        context.close()
        self._placement = replace(self._placement, batch=self.limit)
        return self._made()

    def _made(self) -> Context:
        return Context(self._model, self._placement, adapters=self._adapters, pooling=self.pooling)


def answer(
    job: EmbedJob | RerankJob, inputs: Sequence[Row], vectors: Floats, began: float, seated: float
) -> list[Delta]:
    """The deltas of a job that has been embedded: all of it at once."""
    match job:
        case EmbedJob():
            vectors = shaped(vectors, job.dimensions, normalise=job.normalise)
        case RerankJob():
            vectors = vectors[:, :1]
    counts = tuple(map(len, inputs))
    now = time.perf_counter()
    usage = Usage(
        prompt_tokens=sum(counts),
        queue_seconds=seated - began,
        prompt_seconds=now - seated,
        total_seconds=now - began,
    )
    data = np.ascontiguousarray(vectors, "<f4").tobytes()
    return [VectorsDelta(data, vectors.shape[1], counts), DoneDelta(usage)]


def shaped(vectors: Floats, dimensions: int | None, *, normalise: bool) -> Floats:
    """The first dimensions, brought to a length of 1; a vector of zeros stays one."""
    vectors = vectors[:, :dimensions]
    if not normalise:
        return vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    lengths[lengths == 0] = 1
    return vectors / lengths
