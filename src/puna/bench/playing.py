"""Plays scripts to a server under a load, and keeps what was answered."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from puna.bench.arrivals import Clients, Load, Rate, poisson
from puna.bench.asking import Answer, Message
from puna.bench.server import Server
from puna.bench.workloads import Script

# How long a client that was refused waits before it asks again, so that it does not spin.
PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Limit:
    """When enough was asked: after so many requests, or so many seconds."""

    requests: int | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Round:
    """What was answered in one go, how long that took, and how much of this process's time."""

    answers: list[Answer] = field(default_factory=list[Answer])
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    # Whether it ended early, since the server did nothing but fail.
    gave_up: bool = False


class Player:
    """One round on its way."""

    def __init__(
        self,
        server: Server,
        load: Load,
        scripts: Iterator[Script],
        limit: Limit,
        watch: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        self._server = server
        self._load = load
        self._scripts = scripts
        self._limit = limit
        self._watch = watch
        self._round = Round()
        self._asked = 0
        self._failed_in_a_row = 0

    async def play(self, seed: str) -> Round:
        """The whole round; the seed is that of the arrivals."""
        self._began, cpu = time.perf_counter(), time.process_time()
        match self._load:
            case Clients(count):
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(count):
                        tasks.create_task(self._client())
            case Rate() as rate:
                await self._arrivals(rate, Random(seed))
        self._round.seconds = time.perf_counter() - self._began
        self._round.cpu_seconds = time.process_time() - cpu
        return self._round

    async def _client(self) -> None:
        while not self._is_over and (script := self._next()) is not None:
            await self._converse(script, None)

    async def _arrivals(self, rate: Rate, random: Random) -> None:
        async with asyncio.TaskGroup() as tasks:
            for at in poisson(rate, random):
                due = self._began + at
                if self._limit.seconds is not None and at > self._limit.seconds:
                    return
                await asyncio.sleep(due - time.perf_counter())
                if (script := self._next()) is None:
                    return
                # A task is no longer than its conversation, and the group waits for all.
                tasks.create_task(self._converse(script, due))

    def _next(self) -> Script | None:
        limit = self._limit
        if limit.requests is not None and self._asked >= limit.requests:
            return None
        if self._failed_in_a_row >= self._most_failures:
            self._round.gave_up = True
            return None
        script = next(self._scripts)
        self._asked += len(script.says)
        return script

    @property
    def _is_over(self) -> bool:
        """Whether clients have asked for long enough; arrivals are asked for however late it is."""
        most = self._limit.seconds
        return most is not None and time.perf_counter() - self._began >= most

    @property
    def _most_failures(self) -> int:
        return max(8, 2 * self._load.count) if isinstance(self._load, Clients) else 32

    async def _converse(self, script: Script, due: float | None) -> None:
        history: tuple[Message, ...] = ()
        for _ in script.says:
            answer = await self._server.ask(script.ask(history), due)
            due = None
            self._take(answer)
            if answer.fault not in (None, "miscounted"):
                await asyncio.sleep(PAUSE_SECONDS)
                return
            said = Message("assistant", answer.told.text)
            history = (*answer.ask.messages, said)

    def _take(self, answer: Answer) -> None:
        failed = answer.fault not in (None, "miscounted")
        self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
        self._round.answers.append(answer)
        self._watch(answer)
