"""Three models on memory for two take turns, whatever happens to them."""

import asyncio
import os
import random
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from tests.scheduling.fakes import FakeHost, job, numbers, scheduler

from puna.deltas import DoneDelta, PromptDelta, TextDelta
from puna.errors import PunaError, RunnerKeepsDying, RunnerLost
from puna.scheduling.scheduler import Scheduler

JOBS = 500
MODELS = ("a", "b", "c")
# How long each principal's jobs are: it is work that is shared fairly, not jobs.
LENGTHS = {"ann": (20, 40), "bob": (40, 80), "cyd": (10, 120)}
# How many jobs each has open at once: enough that something of theirs always waits, also while many
# of the short ones are of the lower class. Who has nothing waiting gets no share.
WORKERS = {"ann": 24, "bob": 16, "cyd": 16}


@dataclass
class Day:
    """What is done in one run, and what came of it."""

    server: Scheduler
    host: FakeHost
    dice: random.Random
    started: int = 0
    done: int = 0
    cancelled: int = 0
    worked: Counter[str] = field(default_factory=Counter[str])
    errors: list[PunaError] = field(default_factory=list[PunaError])

    @property
    def open(self) -> bool:
        return self.started < JOBS

    async def work(self, principal: str) -> None:
        """Ask for one thing after another, as long as there is anything to ask for."""
        while self.open:
            self.started += 1
            count = self.dice.randint(*LENGTHS[principal])
            patience = self.dice.randint(1, count) if self.dice.random() < 0.08 else None
            asked = job(
                f"pace {count}",
                f"{principal} {self.started}",
                self.dice.choice(MODELS),
                principal=principal,
                priority=self.dice.choice(["interactive", "batch"]),
            )
            text = ""
            try:
                async with aclosing(self.server.run(asked)) as stream:
                    async for batch in stream:
                        tokens = [one for one in batch if isinstance(one, TextDelta)]
                        text += "".join(one.text for one in tokens)
                        if self.open:
                            prompts = [one for one in batch if isinstance(one, PromptDelta)]
                            self.worked[principal] += len(tokens)
                            self.worked[principal] += sum(one.tokens for one in prompts)
                        if patience is not None and text.count(" ") >= patience:
                            self.cancelled += 1
                            break
                        if isinstance(batch[-1], DoneDelta):
                            assert text == numbers(count), "a whole answer, whatever happened"
                            self.done += 1
            except PunaError as error:
                self.errors.append(error)

    async def trouble(self) -> None:
        """Kill, stop and unload runners."""
        while self.open:
            await asyncio.sleep(self.dice.uniform(0.2, 1.0))
            processes = self.host.processes()
            if not processes:
                continue
            victim = self.dice.choice(processes)
            match self.dice.randrange(4):
                case 0:
                    victim.kill()
                case 1:
                    victim.suspend()
                case _:
                    await self.server.unload(self.dice.choice(MODELS))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_five_hundred_jobs_of_three_principals_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    host = FakeHost()
    async with scheduler(host, stall_timeout=1.0) as server:
        day = Day(server, host, random.Random(500))
        async with asyncio.TaskGroup() as group:
            group.create_task(day.trouble())
            for principal in LENGTHS:
                for _ in range(WORKERS[principal]):
                    group.create_task(day.work(principal))
        # Each error is one that the rules know, and they are few.
        assert all(isinstance(one, RunnerLost | RunnerKeepsDying) for one in day.errors)
        assert len(day.errors) <= JOBS // 50
        assert day.done + day.cancelled + len(day.errors) == JOBS
        fair = sum(day.worked.values()) / len(LENGTHS)
        shares = {name: worked / fair for name, worked in day.worked.items()}
        assert all(0.9 <= share <= 1.1 for share in shares.values()), shares
        assert {one.phase for one in server.jobs()} <= {"done", "cancelled", "failed"}
        register = server._table.register
        assert (register.entries, register.waiting) == ({}, {})
    assert host.alive == []
    assert {child.pid for child in psutil.Process().children(recursive=True)} == before
    assert os.listdir(tmp_path) == []
