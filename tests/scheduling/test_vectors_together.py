"""Vectors for many who ask at once come out of a few steps, with the real engine."""

import asyncio
from pathlib import Path

from tests.scheduling.fakes import FakeHost, collect, scheduler

from puna.deltas import VectorsDelta
from puna.jobs import EmbedJob
from puna.runners.runner import COMMAND

JOBS = 4


def job(id: str, model: Path) -> EmbedJob:
    return EmbedJob(id, str(model), (f"Job {id}: the hen lived in the barn. " * 4,))


async def test_concurrent_requests_for_vectors_share_batches(pocket_model: Path) -> None:
    host = FakeHost(command=COMMAND)
    async with scheduler(host, threads=1, context=1024, sequences=JOBS, batch=512) as server:
        await collect(server.run(job("first", pocket_model)))
        (resident,) = server.residents
        (process,) = host.processes()
        # The first may be alone; those that came while it was computed go together. How many these
        # are is up to the threads that prepare them, which a busy machine may run one by one.
        steps, tries = JOBS, 0
        while steps > JOBS / 2 and tries < 20:
            tries += 1
            before = resident.runner.busyness.steps
            # So that all have asked before the first is looked at.
            process.suspend()
            asking = asyncio.gather(
                *(collect(server.run(job(f"{number}", pocket_model))) for number in range(JOBS))
            )
            async with asyncio.timeout(60):
                while len(resident.runner._streams) < JOBS:  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(0.005)
            process.resume()
            answers = await asking
            # The frame with the last vectors tells of the steps up to then.
            steps = resident.runner.busyness.steps - before
            found = [one.data for deltas in answers for one in deltas if type(one) is VectorsDelta]
            assert len(set(found)) == JOBS
    assert 0 < steps <= JOBS / 2
