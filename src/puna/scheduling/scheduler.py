"""Takes jobs to runners: does what the table decides, and tells it what came of that."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Self, assert_never

from puna.deltas import Delta, DoneDelta
from puna.errors import Cancelled, PunaError, QueueFull, RunnerLost
from puna.events import Event
from puna.hosts.host import Host, Wish
from puna.jobs import Demand, Job
from puna.models.library import Library
from puna.models.model import Model
from puna.protocol import Resume, Tokens
from puna.records import JobRecord
from puna.scheduling.claims import Decision, Pause, Plan, Refuse, Start, Submit, Unload
from puna.scheduling.errands import Errands
from puna.scheduling.fleet import Fleet
from puna.scheduling.flight import Flight
from puna.scheduling.flights import Flights
from puna.scheduling.resident import Resident
from puna.scheduling.table import Table
from puna.scheduling.turns import Turns
from puna.scheduling.wishes import claim_of, context_of, rules_of, wish_for
from puna.settings import Settings

DEFAULT = Demand()
# Takes a batch of deltas right where it arrives, or says that it does not.
Hear = Callable[[list[Delta]], bool]


class Scheduler:
    """Which job runs where and when. An asynchronous context: leaving it ends every runner.

    `remember` gets the record of each job that has ended.
    """

    def __init__(
        self,
        library: Library,
        host: Host,
        settings: Settings,
        *,
        remember: Callable[[JobRecord], None] = lambda _: None,
        emit: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._library = library
        self._settings = settings
        self._table = Table(rules_of(settings))
        turns = self._turns = Turns(self._turn)
        self._fleet = Fleet(host, settings, self._table, turns.touch)
        self._errands = Errands(self._table, turns.touch)
        self._flights = Flights(self._table, self._fleet, turns.touch, remember, emit)
        self._closing = False

    async def __aenter__(self) -> Self:
        self._fleet.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close(0.0)

    # What is asked of it

    async def run(
        self,
        job: Job,
        resume: Resume | None = None,
        hear: Hear | None = None,
        model: Model | None = None,
    ) -> AsyncGenerator[list[Delta]]:
        """The job's deltas in batches, each what has come since the last; closing it cancels.

        While the next batch is awaited, `hear` may take it instead: see `Stream`. `model` is what
        the job's name stands for, where that has been found already.
        """
        flight = await self._admit(job, resume, model)
        id = flight.job.id
        try:
            while True:
                try:
                    stream = await flight.seat()
                    count = self._counter(flight)
                    if hear is not None:
                        stream.hear = _counting(flight, hear, count)
                    async for batch in stream:
                        count(batch)
                        if news := flight.news(batch):
                            if isinstance(news[-1], DoneDelta):
                                flight.end("done")
                            yield news
                    if flight.phase == "done":
                        return
                    flight.rise(stream.resume)
                except RunnerLost as error:
                    self._flights.fall(flight, error)
                self._table.requeue(id, time.monotonic())
                self._turns.touch()
        except Cancelled as error:
            flight.end("cancelled", error)
            raise
        except PunaError as error:
            flight.end("failed", error)
            raise
        finally:
            self._flights.land(flight)

    async def render(self, job: Job) -> Tokens:
        """The prompt of a job, as text and as tokens."""
        wish = await self._wish(job.model, job.demand)
        keep_alive = job.demand.keep_alive
        async with self._errands.runner(wish, keep_alive, context_of(job)) as runner:
            return await runner.tokenize(job=job)

    async def tokenize(self, model: str, text: str, special: bool = False) -> Tokens:
        """The tokens of a text; with `special`, the names of control tokens in it are those."""
        async with self._errands.runner(await self._wish(model, DEFAULT)) as runner:
            return await runner.tokenize(text, special=special)

    async def detokenize(self, model: str, tokens: Sequence[int]) -> Tokens:
        """The text of tokens."""
        async with self._errands.runner(await self._wish(model, DEFAULT)) as runner:
            return await runner.detokenize(tokens)

    async def load(self, model: str, demand: Demand = DEFAULT, context: int = 0) -> float:
        """Have a model loaded, and kept as the demand says; how many seconds that took.

        `context` is how many tokens a conversation must have at least; 0 is any.
        """
        asked, default = demand.keep_alive, self._settings.keep_alive
        began = time.monotonic()
        wish = await self._wish(model, demand)
        async with self._errands.runner(wish, default if asked is None else asked, context):
            return time.monotonic() - began

    async def unload(self, model: str) -> None:
        """Let a model go as soon as its running jobs have ended, however it was loaded."""
        _, wish = await self._find(model, DEFAULT)
        files = wish.weights
        self._table.expire(lambda key: isinstance(key, Wish) and key.weights == files)
        self._turns.touch()

    def cancel(self, id: str) -> bool:
        """End a job, wherever it is; False if there is none of this id."""
        flight = self._flights.find(id)
        if flight is not None:
            self._flights.stop(flight, Cancelled("The job was cancelled.", ""))
        return flight is not None

    def heed(self, settings: Settings) -> None:
        """Work by these settings from now on, as far as they are live."""
        self._settings = self._fleet.settings = settings
        self._table.register.rules = rules_of(settings)
        self._turns.touch()

    @property
    def residents(self) -> list[Resident]:
        """Every loaded model."""
        return self._fleet.residents

    @property
    def in_use(self) -> set[str]:
        """The digests of the blobs that must stay where they are."""
        return self._fleet.in_use

    def jobs(self) -> list[JobRecord]:
        """Every job that has not ended, and of those that have the latest."""
        return self._flights.records()

    def job(self, id: str) -> JobRecord | None:
        """One job, if it is known."""
        return self._flights.record(id)

    async def close(self, grace: float) -> None:
        """Take no more jobs, let running ones finish for so many seconds, end all runners."""
        self._closing = True
        self._errands.refuse_all(_ending())
        for flight in self._flights.all():
            if not flight.has_begun:
                self._flights.stop(flight, _ending())
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._flights.over()
        for flight in self._flights.all():
            error = Cancelled("The server ended before the job did.", "Try again.")
            self._flights.stop(flight, error)
        self._turns.close()
        await self._fleet.close()

    # Jobs

    async def _wish(self, name: str, demand: Demand) -> Wish:
        return self._named(*await self._find(name, demand))

    def _named(self, model: Model, wish: Wish) -> Wish:
        if self._closing:
            raise _ending()
        self._fleet.name(wish, model)
        return wish

    async def _find(self, name: str, demand: Demand) -> tuple[Model, Wish]:
        def found() -> tuple[Model, Wish]:
            model = self._library.find(name)
            return model, wish_for(model, demand, self._settings)

        # The library reads files, which may take a while.
        return await asyncio.to_thread(found)

    async def _admit(self, job: Job, resume: Resume | None, model: Model | None) -> Flight:
        if model is None:
            wish = await self._wish(job.model, job.demand)
        else:
            wish = self._named(model, wish_for(model, job.demand, self._settings))
        claim = claim_of(job, wish, self._settings)
        return self._flights.admit(job, claim, resume, self._settings.request_timeout)

    def _counter(self, flight: Flight) -> Callable[[list[Delta]], None]:
        """Takes note of what comes of a job at the runner that it has now."""
        id, note, table = flight.job.id, flight.note, self._table
        rate = self._fleet.rate(flight.berth)

        def count(batch: list[Delta]) -> None:
            if work := note(batch):
                table.work(id, work)
                rate.add(work, time.monotonic())

        return count

    # Turns

    def _turn(self, now: float) -> float | None:
        for decision in self._table.decide(now):
            self._do(decision)
        return self._table.wake(now)

    def _do(self, decision: Decision) -> None:
        match decision:
            case Plan(runner):
                self._fleet.plan(runner)
            case Start(runner):
                self._fleet.start(runner)
            case Unload(runner):
                self._fleet.unload(runner)
            case Submit(job, runner):
                if job in self._errands:
                    self._errands.begin(job, self._fleet.runner(runner))
                else:
                    self._flights.submit(job, runner)
            case Pause(job):
                self._flights.pause(job)
            case Refuse(job, error):
                if (flight := self._flights.find(job)) is not None:
                    self._flights.stop(flight, error)
                else:
                    self._errands.refuse(job, error)
            case _:
                assert_never(decision)


def _counting(flight: Flight, hear: Hear, count: Callable[[list[Delta]], None]) -> Hear:
    """What somebody hears directly, who gets the same as who reads; it counts if it is taken."""

    def heard(batch: list[Delta]) -> bool:
        news = flight.news(batch)
        if news and not hear(news):
            return False
        count(batch)
        return True

    return heard


def _ending() -> QueueFull:
    return QueueFull("The server is ending.", "Try again when it is back.")
