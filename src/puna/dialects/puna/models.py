"""The routes that keep models: a name's revisions, and what nobody needs any more."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from puna.dialects.ollama.errors import read
from puna.dialects.scopes import scope
from puna.errors import ModelNotFound
from puna.models.builtin_model import CRIA, builtin_model
from puna.models.gc import collect, survey
from puna.models.library import Library
from puna.models.model import Model
from puna.models.names import Name
from puna.models.revisions import Revision
from puna.scheduling.scheduler import Scheduler
from puna.scheduling.sparing import sparing


class RollbackRequest(BaseModel):
    """The body of a rollback: a digest, of which seven digits are enough."""

    model_config = ConfigDict(extra="forbid")

    revision: str = Field(min_length=1, max_length=100)


class CollectRequest(BaseModel):
    """The body of `POST /puna/v1/gc`."""

    model_config = ConfigDict(extra="forbid")

    dry_run: StrictBool = True


class ToldRevision(msgspec.Struct, frozen=True):
    """One revision; `size` is what all its blobs take, shared with others or not."""

    digest: str
    since: datetime
    until: datetime | None
    current: bool
    size: int


class ToldModel(msgspec.Struct, frozen=True):
    """One model; `size` is what its files take."""

    name: str
    digest: str
    size: int
    modified: datetime
    builtin: bool
    parameters: str
    quantization: str


@dataclass(frozen=True)
class Keeping:
    """What is kept of models, for whoever looks after them."""

    library: Library
    scheduler: Scheduler

    def routes(self) -> list[Route]:
        """Where one asks."""
        model = "/puna/v1/models/{name:path}"
        return [
            Route("/puna/v1/models", self.models),
            Route(f"{model}/history", self.history),
            Route(f"{model}/rollback", self.rollback, methods=["POST"]),
            Route(f"{model}/reveal", self.reveal, methods=["POST"]),
            Route("/puna/v1/gc", self.collect, methods=["POST"]),
        ]

    @scope("infer")
    async def models(self, _: Request) -> Response:
        """Every model: the built-in one first, then the latest."""
        found = await asyncio.to_thread(self.library.all)
        return _json({"models": [_listed(model) for model in found]})

    @scope("manage")
    async def history(self, request: Request) -> Response:
        """What a name stands for and what it has stood for, the latest first."""
        asked = Name.parse(request.path_params["name"]).current
        told = await asyncio.to_thread(_history, self.library, asked)
        return _json({"model": str(asked), "revisions": told})

    @scope("manage")
    async def rollback(self, request: Request) -> Response:
        """Let a name stand for a former revision again."""
        revision = (await read(request, RollbackRequest)).revision
        name: str = request.path_params["name"]
        model = await asyncio.to_thread(self.library.rollback, name, revision)
        return _json({"model": str(model.name), "digest": model.digest})

    @scope("manage")
    async def reveal(self, request: Request) -> Response:
        """Show the built-in model again, after it was removed."""
        asked = Name.parse(request.path_params["name"]).current
        if asked.folded != CRIA:
            raise ModelNotFound(f"{asked} does not come with Puna.", f"{CRIA} does.")
        await asyncio.to_thread(self.library.reveal)
        return _json({"model": str(CRIA)})

    @scope("manage")
    async def collect(self, request: Request) -> Response:
        """What nobody needs: told, or removed as well."""
        bare = not await request.body()
        dry = (CollectRequest() if bare else await read(request, CollectRequest)).dry_run
        act = survey if dry else collect
        store = self.library.store
        waste = await sparing(act, store, self.scheduler)
        return _json(
            {
                "blobs": waste.blobs,
                "partials": [str(path.relative_to(store.root)) for path in waste.partials],
                "bytes": waste.bytes,
                "removed": not dry,
            }
        )


def _listed(model: Model) -> ToldModel:
    return ToldModel(
        name=str(model.name),
        digest=model.digest,
        size=model.size,
        modified=model.modified,
        builtin=model.builtin,
        parameters=model.details.parameter_size,
        quantization=model.details.quantization,
    )


def _history(library: Library, name: Name) -> list[ToldRevision]:
    return [_told(one) for one in library.history(name)] or [_builtin()]


def _told(one: Revision) -> ToldRevision:
    return ToldRevision(one.digest, one.since, one.until, one.current, one.manifest.size)


def _builtin() -> ToldRevision:
    """What a name stands for that has no manifest."""
    model = builtin_model()
    return ToldRevision(model.digest, model.modified, None, current=True, size=model.size)


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
