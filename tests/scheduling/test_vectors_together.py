"""Vectors for many who ask at once come out of a few steps, with the real engine."""

import asyncio
from pathlib import Path

from tests.scheduling.fakes import FakeHost, collect, scheduler

from puna.deltas import VectorsDelta
from puna.jobs import EmbedJob
from puna.runners.runner import COMMAND

JOBS = 24


def job(id: str, model: Path) -> EmbedJob:
    return EmbedJob(id, str(model), (f"Job {id}: the hen lived in the barn. " * 4,))


async def test_concurrent_requests_for_vectors_share_batches(pocket_model: Path) -> None:
    host = FakeHost(command=COMMAND)
    async with scheduler(host, threads=1, context=1024, sequences=4, batch=512) as server:
        await collect(server.run(job("first", pocket_model)))
        (resident,) = server.residents
        before = resident.runner.busyness.steps
        answers = await asyncio.gather(
            *(collect(server.run(job(f"{number}", pocket_model))) for number in range(JOBS))
        )
        # The frame with the last vectors tells of the steps up to then.
        steps = resident.runner.busyness.steps - before
    vectors = [delta.data for deltas in answers for delta in deltas if type(delta) is VectorsDelta]
    assert len(set(vectors)) == JOBS
    assert 0 < steps < JOBS / 2
