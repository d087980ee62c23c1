"""The jobs on their way: let in, put to runners, taken off, ended, and remembered."""

import asyncio
import time
from collections.abc import Callable

from puna.errors import BadRequest, PunaError, RunnerLost, TimedOut
from puna.events import Event, JobMoved
from puna.jobs import Job
from puna.protocol import Resume
from puna.records import ENDED, JobRecord
from puna.scheduling.claims import Claim
from puna.scheduling.fleet import Fleet
from puna.scheduling.flight import Flight
from puna.scheduling.ledger import Ledger
from puna.scheduling.table import Table

# A job that lost its runner so often without a token in between is what kills them, or hopeless.
FALLS_BORNE = 2


class Flights:
    """Every job that has not ended, and the records of those that have."""

    def __init__(
        self,
        table: Table,
        fleet: Fleet,
        touch: Callable[[], None],
        remember: Callable[[JobRecord], None],
        emit: Callable[[Event], None],
    ) -> None:
        self._table = table
        self._fleet = fleet
        self._touch = touch
        self._emit = emit
        self._open: dict[str, Flight] = {}
        self._ended = Ledger(remember)
        self._landed = asyncio.Event()

    def find(self, id: str) -> Flight | None:
        """A job that has not ended."""
        return self._open.get(id)

    def all(self) -> list[Flight]:
        """All that have not ended."""
        return list(self._open.values())

    async def over(self) -> None:
        """Wait until all have ended."""
        while self._open:
            self._landed.clear()
            await self._landed.wait()

    # On the way

    def admit(self, job: Job, claim: Claim, resume: Resume | None, seconds: float | None) -> Flight:
        """Let a job in, which may take so many seconds."""
        if job.id in self._open:
            raise BadRequest(f"A job with the id {job.id} is running already.")
        self._table.arrive(claim, time.monotonic())
        flight = self._open[job.id] = Flight(job, resume)
        if seconds is not None:
            what = f"The job took longer than {seconds:g} s, the most that one may."
            error = TimedOut(what, "Ask for less at once, or raise PUNA_REQUEST_TIMEOUT.")
            loop = asyncio.get_running_loop()
            flight.deadline = loop.call_later(seconds, self.stop, flight, error)
        self._emit(JobMoved(job.id, flight.phase))
        self._touch()
        return flight

    def submit(self, job: str, id: int) -> None:
        """Put a job to the table's runner of this number."""
        flight, berth, runner = self._open[job], self._fleet.find(id), self._fleet.runner(id)
        assert berth is not None

        def left(_: str) -> None:
            # Of those that a dead runner leaves, its burial tells the table, all at once.
            if runner.alive:
                self._table.vacate(job, time.monotonic())
                self._touch()

        # Before it is told: the runner may be at work before this process goes on.
        now = time.monotonic()
        try:
            stream = runner.submit(flight.job, flight.resume, left)
        except RunnerLost as error:
            stream = error
        flight.begin(id, runner.name, stream, now, berth.loading(now, flight.waited(now)))
        self._emit(JobMoved(job, flight.phase))

    def pause(self, job: str) -> None:
        """Take a job off its runner, if it has one."""
        if (stream := self._open[job].stream) is not None:
            stream.lay_down()

    def fall(self, flight: Flight, error: RunnerLost) -> None:
        """The job's runner died: it goes on elsewhere, unless that has been in vain before."""
        berth = self._fleet.find(flight.berth)
        if berth is not None and berth.runner is not None and berth.runner.alive:
            raise error
        self._fleet.bury(flight.berth)
        flight.fall()
        if flight.falls > FALLS_BORNE:
            raise RunnerLost(
                f"The job lost its runner {flight.falls} times without getting on. {error.message}",
                "It may be what the runner cannot stand; see the server's log.",
            )

    # The end

    def stop(self, flight: Flight, error: PunaError) -> None:
        """End a job with an error, which its reader meets after what has come before."""
        flight.stop(error)
        self._table.leave(flight.job.id, time.monotonic())
        self._touch()

    def land(self, flight: Flight) -> None:
        """The job has ended, however that came."""
        id, now = flight.job.id, time.monotonic()
        if flight.stream is not None:
            flight.stream.close()
        if flight.deadline is not None:
            flight.deadline.cancel()
        if flight.phase == "done":
            self._table.finish(id, now)
        else:
            self._table.leave(id, now)
        if flight.phase not in ENDED:
            flight.end("cancelled")
        del self._open[id]
        record = flight.record(None)
        self._ended.add(record)
        self._emit(JobMoved(id, record.phase, record.error))
        self._landed.set()
        self._touch()

    # Records

    def records(self) -> list[JobRecord]:
        """Of every job that has not ended, and of those that have the latest."""
        positions, loading = self._table.positions(), self._table.awaiting_a_load()
        running = [
            flight.record(positions.get(id), loading=id in loading)
            for id, flight in self._open.items()
        ]
        return [*self._ended.all(), *running]

    def record(self, id: str) -> JobRecord | None:
        """Of one job, if it is known."""
        flight = self._open.get(id)
        if flight is None:
            return self._ended.find(id)
        loading = id in self._table.awaiting_a_load()
        return flight.record(self._table.positions().get(id), loading=loading)
