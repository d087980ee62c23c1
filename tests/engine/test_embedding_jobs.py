"""Jobs that embed and rank, through a runner's service with a real model."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from puna.deltas import Delta, DoneDelta, VectorsDelta
from puna.engine.service import Service
from puna.errors import PunaError, ReportedError
from puna.jobs import ChatJob, CompleteJob, EmbedJob, Fit, Job, Limits, RerankJob, message
from puna.protocol import (
    Cancel,
    Facts,
    Frame,
    JobFailed,
    Load,
    Moved,
    Placement,
    State,
    Submit,
    Tokenize,
    Tokens,
    ToRunner,
    Unload,
    pack,
    read_to_server,
)

Shape = Callable[[str], Path]
PLACEMENT = Placement(context=512, sequences=4, batch=128, threads=1)


class Server:
    """The other end of a runner's socket, and all that came over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.deltas: dict[str, list[Delta]] = {}
        self.failed: dict[str, PunaError] = {}
        self.tokens: dict[str, Tokens] = {}
        self.facts: Facts | None = None
        self.state: State = "idle"

    def send(self, message: ToRunner) -> None:
        self._writer.write(pack(message))

    async def until(self, happened: Callable[[], object]) -> None:
        while not happened():
            async with asyncio.timeout(60):
                message = await read_to_server(self._reader)
            match message:
                case Moved():
                    self.state, self.facts = message.state, message.facts or self.facts
                    assert message.error is None, message.error
                case Frame():
                    for job, deltas in message.deltas:
                        self.deltas.setdefault(job, []).extend(deltas)
                case JobFailed():
                    self.failed[message.job] = ReportedError(message.error)
                case Tokens():
                    self.tokens[message.id] = message
                case None:
                    raise AssertionError("The runner has gone.")
                case _:
                    pass

    async def run(self, job: Job) -> list[Delta]:
        self.send(Submit(job))
        await self.until(lambda: self.ended(job.id))
        if job.id in self.failed:
            raise self.failed[job.id]
        return self.deltas[job.id]

    def ended(self, job: str) -> bool:
        deltas = self.deltas.get(job, [])
        return job in self.failed or any(isinstance(delta, DoneDelta) for delta in deltas)


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Server]:
    ours, theirs = socket.socketpair()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Service(*await asyncio.open_connection(sock=theirs)).run())
        server = Server(*await asyncio.open_connection(sock=ours))
        server.send(Load((str(path),), placement=PLACEMENT))
        await server.until(lambda: server.state == "ready")
        yield server
        server.send(Unload())
        await server.until(lambda: server.state == "idle")


async def test_a_model_says_what_it_can(shape: Shape) -> None:
    expected = {
        "llama": (("completion", "embedding"), 512),
        "bert": (("embedding",), 256),
        "qwen3-rank": (("rerank",), 512),
    }
    for name, capabilities in expected.items():
        async with serving(shape(name)) as server:
            assert server.facts is not None
            assert (server.facts.capabilities, server.facts.context) == capabilities


async def test_a_model_whose_tokens_all_see_each_other_only_embeds(tmp_path: Path) -> None:
    import stand_in

    def add(writer: stand_in.gguf.GGUFWriter) -> None:
        writer.add_causal_attention(False)

    async with serving(stand_in.write(tmp_path / "encoder.gguf", "llama", add=add)) as server:
        assert server.facts is not None
        assert server.facts.capabilities == ("embedding",)
        rows = ((5, 6, 7, 8), (9, 6, 7, 8), (5, 6, 7, 9))
        vectors, _ = await server.run(EmbedJob("one", "model", rows))
    assert isinstance(vectors, VectorsDelta)
    same, first, last = np.frombuffer(vectors.data, np.float32).reshape(3, vectors.width)
    assert same @ first < 0.99
    assert same @ last < 0.99


async def test_vectors_come_in_one_piece_with_their_usage(shape: Shape) -> None:
    async with serving(shape("bert")) as server:
        vectors, done = await server.run(EmbedJob("one", "model", ("The herd", (5, 6, 7))))
        await server.until(lambda: server.state == "ready")
    assert isinstance(vectors, VectorsDelta)
    assert isinstance(done, DoneDelta)
    assert np.frombuffer(vectors.data, np.float32).reshape(2, vectors.width).shape == (2, 128)
    assert vectors.tokens == (4, 3)
    assert done.usage.prompt_tokens == 7
    assert 0 < done.usage.prompt_seconds < done.usage.total_seconds


async def test_an_embedding_model_says_that_it_cannot_chat_and_counts_all_the_same(
    shape: Shape,
) -> None:
    async with serving(shape("bert")) as server:
        with pytest.raises(PunaError, match="cannot generate, it is made for embedding"):
            await server.run(ChatJob("chat", "model", (message("user", "Hello"),)))
        server.send(Tokenize("count", "The herd"))
        await server.until(lambda: "count" in server.tokens)
    assert len(server.tokens["count"].tokens) == 2


async def test_a_chat_model_says_that_it_cannot_rank(shape: Shape) -> None:
    async with serving(shape("llama")) as server:
        with pytest.raises(PunaError, match="does not rank"):
            await server.run(RerankJob("rank", "model", "query", ("document",)))


async def test_a_chat_model_embeds_while_it_generates(shape: Shape) -> None:
    async with serving(shape("llama")) as server:
        # It goes on until it is cancelled.
        limits = Limits(max_tokens=1_000_000, ignore_eos=True)
        text = CompleteJob("text", "model", "The herd was", limits=limits, fit=Fit(shift=True))
        server.send(Submit(text))
        await server.until(lambda: "text" in server.deltas)
        vectors, _ = await server.run(EmbedJob("vectors", "model", ("The herd", "on the plain")))
        assert not server.ended("text")
        so_far = len(server.deltas["text"])
        await server.until(lambda: len(server.deltas["text"]) > so_far)
        server.send(Cancel("text"))
        await server.until(lambda: server.state == "ready")
    assert isinstance(vectors, VectorsDelta)


async def test_a_cancelled_job_is_heard_of_no_more(shape: Shape) -> None:
    async with serving(shape("llama")) as server:
        server.send(Submit(EmbedJob("gone", "model", ((5,) * 500,) * 2000)))
        await server.until(lambda: server.state == "busy")
        # Another job gets its vectors while that one is being computed.
        await server.run(EmbedJob("first", "model", ("herd",)))
        server.send(Cancel("gone"))
        await server.until(lambda: server.state == "ready")
        await server.run(EmbedJob("next", "model", ("herd",)))
    assert not server.ended("gone")
