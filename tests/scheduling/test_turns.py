"""Three models on memory for two take turns, whatever happens to them."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace
from tests.scheduling.fakes import FakeHost, collect, job, numbers, scheduler
from tests.scheduling.test_going_on import completion, surest

from puna.deltas import DoneDelta, PromptDelta, TextDelta
from puna.errors import PunaError, RunnerKeepsDying, RunnerLost
from puna.jobs import Job, Owner
from puna.runners.runner import COMMAND
from puna.scheduling.scheduler import Scheduler

JOBS = 500
MODELS = ("a", "b", "c")
# How long each principal's jobs are: it is work that is shared fairly, not jobs.
LENGTHS = {"ann": (20, 40), "bob": (40, 80), "cyd": (10, 120)}
# How many jobs each has open at once: enough that something of theirs always waits, also while many
# of the short ones are of the lower class. Who has nothing waiting gets no share.
WORKERS = {"ann": 24, "bob": 16, "cyd": 16}


@dataclass(frozen=True)
class Engines:
    """What runs the jobs: three models, what they are asked for, and what they answer.

    `ask` makes a job of so many tokens; `calm` is how long there is no trouble, least and most.
    """

    models: tuple[str, ...]
    ask: Callable[[str, str, int, Owner], Job]
    answer: Callable[[int], str]
    calm: tuple[float, float]


@dataclass
class Day:
    """What is done in one run, and what came of it."""

    server: Scheduler
    host: FakeHost
    engines: Engines
    dice: random.Random = field(default_factory=lambda: random.Random(JOBS))
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
            asked = self.engines.ask(
                f"{principal} {self.started}",
                self.dice.choice(self.engines.models),
                count,
                Owner(principal, priority=self.dice.choice(["interactive", "batch"])),
            )
            text, told = "", 0
            try:
                async with aclosing(self.server.run(asked)) as stream:
                    async for batch in stream:
                        pieces = [one for one in batch if isinstance(one, TextDelta)]
                        text += "".join(one.text for one in pieces)
                        tokens = sum(len(one.tokens) for one in pieces)
                        told += tokens
                        if self.open:
                            prompts = [one for one in batch if isinstance(one, PromptDelta)]
                            self.worked[principal] += tokens
                            self.worked[principal] += sum(
                                one.tokens - one.cached for one in prompts
                            )
                        if patience is not None and told >= patience:
                            self.cancelled += 1
                            break
                        if isinstance(batch[-1], DoneDelta):
                            assert told == count
                            assert text == self.engines.answer(count), "whatever happened"
                            self.done += 1
            except PunaError as error:
                self.errors.append(error)

    async def trouble(self) -> None:
        """Kill, stop and unload runners."""
        while self.open:
            await asyncio.sleep(self.dice.uniform(*self.engines.calm))
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
                    await self.server.unload(self.dice.choice(self.engines.models))

    async def pass_by(self) -> None:
        """All jobs and all trouble, and what must hold when they are over."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.trouble())
            for principal in LENGTHS:
                for _ in range(WORKERS[principal]):
                    group.create_task(self.work(principal))
        # Each error is one that the rules know, and they are few.
        assert all(isinstance(one, RunnerLost | RunnerKeepsDying) for one in self.errors)
        assert len(self.errors) <= JOBS // 50
        assert self.done + self.cancelled + len(self.errors) == JOBS
        fair = sum(self.worked.values()) / len(LENGTHS)
        shares = {name: worked / fair for name, worked in self.worked.items()}
        assert all(0.9 <= share <= 1.1 for share in shares.values()), shares
        records = self.server.jobs()
        assert {one.phase for one in records} <= {"done", "cancelled", "failed"}
        assert any(one.phase == "done" and one.resumed for one in records)
        register = self.server._table.register
        assert (register.entries, register.waiting) == ({}, {})


@pytest.fixture
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process, no socket and no file is left over."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    assert {child.pid for child in psutil.Process().children(recursive=True)} == before
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("nothing_left")
async def test_five_hundred_jobs_of_three_principals_take_turns() -> None:
    def ask(id: str, model: str, count: int, owner: Owner) -> Job:
        return replace(job(f"pace {count}", id, model), owner=owner)

    host = FakeHost()
    async with scheduler(host, stall_timeout=1.0) as server:
        await Day(server, host, Engines(MODELS, ask, numbers, (0.2, 1.0))).pass_by()
    assert host.alive == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("nothing_left")
async def test_so_they_do_with_the_real_engine(
    pocket_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, host = tmp_path_factory.mktemp("models"), FakeHost(command=COMMAND)
    models = tuple(str(folder / f"{name}.gguf") for name in MODELS)
    for one in models:
        os.link(pocket_model, one)
    # Nothing is guessed, so that each token is a step in whose midst there can be trouble.
    settings: dict[str, Any] = {"threads": 1, "context": 1024, "sequences": 4, "speculate": False}
    async with scheduler(host, stall_timeout=3.0, **settings) as server:
        prompt, _ = await surest(server, Path(models[0]))
        known = completion("known", Path(models[0]), max(LENGTHS["cyd"]), prompt=prompt)
        pieces = [one for one in await collect(server.run(known)) if isinstance(one, TextDelta)]
        assert all(len(one.tokens) == 1 for one in pieces)

        def ask(id: str, model: str, count: int, owner: Owner) -> Job:
            return completion(id, Path(model), count, prompt=prompt, owner=owner)

        def answer(count: int) -> str:
            return "".join(one.text for one in pieces[:count])

        await Day(server, host, Engines(models, ask, answer, (1.0, 4.0))).pass_by()
    assert host.alive == []
