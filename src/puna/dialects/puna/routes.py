"""The routes of Puna's own API: jobs, settings, and what is kept of models."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response

from puna.configuration import Configuration
from puna.dialects.puna.models import Keeping
from puna.dialects.scopes import scope
from puna.errors import JobNotFound
from puna.models.library import Library
from puna.records import JobRecord
from puna.scheduling.scheduler import Scheduler
from puna.state.history import History

MOST_JOBS = 1000


def router(
    library: Library, scheduler: Scheduler, history: History, configuration: Configuration
) -> APIRouter:
    """The routes, served by these."""
    routes = APIRouter()
    Keeping(library, scheduler).mount(routes)

    @routes.get("/puna/v1/jobs")
    @scope("manage")
    async def jobs(limit: Annotated[int, Query(ge=1, le=MOST_JOBS)] = 100) -> Response:
        known = {record.id: record for record in await history.latest(limit)}
        known |= {record.id: record for record in scheduler.jobs()}
        latest = sorted(known.values(), key=_latest_first)
        return _json({"jobs": latest[:limit]})

    @routes.get("/puna/v1/jobs/{id}")
    @scope("manage")
    async def job(id: str) -> Response:
        return _json(await _job(id))

    @routes.get("/api/progress/{id}")
    @scope("infer")
    async def progress(id: str) -> Response:
        return _json(await _job(id))

    @routes.get("/puna/v1/settings")
    @scope("admin")
    async def settings() -> Response:
        return _json({"settings": configuration.told()})

    async def _job(id: str) -> JobRecord:
        record = scheduler.job(id) or await history.find(id)
        if record is None:
            raise JobNotFound(
                f"There is no job {id[:100]!r}.", "It may have ended too long ago to be remembered."
            )
        return record

    return routes


def _latest_first(record: JobRecord) -> tuple[bool, float]:
    return record.ended is not None, -(record.ended or record.arrived)


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
