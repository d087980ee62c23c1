"""The routes of Puna's own API: jobs, settings, and what is kept of models."""

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from puna import __version__
from puna.configuration import Configuration
from puna.dialects.puna.models import Keeping
from puna.dialects.scopes import scope
from puna.errors import BadRequest, JobNotFound
from puna.models.library import Library
from puna.records import JobRecord
from puna.scheduling.scheduler import Scheduler
from puna.state.history import History

USUAL_JOBS, MOST_JOBS = 100, 1000


def routes(
    library: Library, scheduler: Scheduler, history: History, configuration: Configuration
) -> list[Route]:
    """The routes, served by these."""
    told = Telling(scheduler, history, configuration)
    return [*Keeping(library, scheduler).routes(), *told.routes()]


@dataclass(frozen=True)
class Telling:
    """What the server does and how it is set, for whoever asks."""

    scheduler: Scheduler
    history: History
    configuration: Configuration

    def routes(self) -> list[Route]:
        """Where one asks."""
        return [
            Route("/puna/v1/jobs", self.jobs),
            Route("/puna/v1/jobs/{id}", self.job),
            Route("/api/progress/{id}", self.progress),
            Route("/puna/v1/settings", self.settings),
            Route("/puna/v1/version", self.version),
        ]

    @scope("manage")
    async def jobs(self, request: Request) -> Response:
        """The latest jobs, those that go on first."""
        limit = _limit(request)
        known = {record.id: record for record in await self.history.latest(limit)}
        known |= {record.id: record for record in self.scheduler.jobs()}
        latest = sorted(known.values(), key=_latest_first)
        return _json({"jobs": latest[:limit]})

    @scope("manage")
    async def job(self, request: Request) -> Response:
        """One job."""
        return _json(await self._job(request.path_params["id"]))

    @scope("infer")
    async def progress(self, request: Request) -> Response:
        """One job, for whoever knows its id."""
        return _json(await self._job(request.path_params["id"]))

    @scope("admin")
    async def settings(self, _: Request) -> Response:
        """Every setting with where its value came from."""
        return _json({"settings": self.configuration.told()})

    @scope("infer")
    async def version(self, _: Request) -> Response:
        """Puna's own version; what `/api/version` tells is the release of Ollama's API."""
        return _json({"version": __version__})

    async def _job(self, id: str) -> JobRecord:
        record = self.scheduler.job(id) or await self.history.find(id)
        if record is None:
            raise JobNotFound(
                f"There is no job {id[:100]!r}.", "It may have ended too long ago to be remembered."
            )
        return record


def _limit(request: Request) -> int:
    written = request.query_params.get("limit", str(USUAL_JOBS))
    number = int(written) if written.isdecimal() and len(written) < 10 else 0
    if not 1 <= number <= MOST_JOBS:
        raise BadRequest(f"limit is {written[:20]!r}; it must be from 1 to {MOST_JOBS}.")
    return number


def _latest_first(record: JobRecord) -> tuple[bool, float]:
    return record.ended is not None, -(record.ended or record.arrived)


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
