"""The routes about where models lie: those that are loaded, and where one would go."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from puna.configuration import Configuration
from puna.dialects.ollama.errors import read
from puna.dialects.scopes import scope
from puna.errors import BadRequest, ModelNotFound, NoRoom
from puna.hosts.host import CPU, Device, Host, Plan, Share, Wish
from puna.jobs import Demand
from puna.kinds import CacheType
from puna.models.gguf import siblings
from puna.models.library import Library
from puna.scheduling.budgets import budgets
from puna.scheduling.resident import Resident
from puna.scheduling.scheduler import Scheduler
from puna.scheduling.wishes import wish_for
from puna.units import read_size

Size = Annotated[int, BeforeValidator(read_size), Field(ge=1, le=1 << 50)]


class FitRequest(BaseModel):
    """The body of `POST /puna/v1/fit`."""

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    file: str = ""
    context: int | None = Field(None, ge=1, le=16_777_216)
    sequences: int | None = Field(None, ge=1, le=256)
    cache_type: CacheType | None = None
    gpus: list[Size] | None = Field(None, max_length=64)
    memory: Size | None = None


class ToldDevice(msgspec.Struct, frozen=True):
    """A device, and what a model takes of it; `other` is all but weights, cache and buffers."""

    name: str
    kind: str
    description: str
    total: int
    free: int
    layers: int = 0
    weights: int = 0
    cache: int = 0
    compute: int = 0
    other: int = 0


class ToldPlacement(msgspec.Struct, frozen=True):
    """How a model lies."""

    context: int
    sequences: int
    pooled: bool
    cache_type: str


class Fit(msgspec.Struct, frozen=True):
    """Where a model would go; where it fits nowhere, `placement` is null and `why` says so."""

    model: str
    fits: bool
    why: str
    supposed: bool
    placement: ToldPlacement | None
    devices: Sequence[ToldDevice]


class LoadedOn(msgspec.Struct, frozen=True):
    """What a loaded model has of a device."""

    name: str
    bytes: int
    layers: int


class Loaded(msgspec.Struct, frozen=True):
    """A loaded model. `busy` are the sequences at work, `until` is null where it stays."""

    model: str
    digest: str
    state: str
    size: int
    devices: Sequence[LoadedOn]
    context: int
    sequences: int
    pooled: bool
    busy: int
    waiting: int
    rate: float
    until: datetime | None


@dataclass(frozen=True)
class Placing:
    """Where models lie and would lie, for whoever asks."""

    library: Library
    scheduler: Scheduler
    host: Host
    configuration: Configuration

    def routes(self) -> list[Route]:
        """Where one asks."""
        return [
            Route("/puna/v1/runners", self.runners),
            Route("/puna/v1/fit", self.fit, methods=["POST"]),
        ]

    @scope("infer")
    async def runners(self, _: Request) -> Response:
        """Every loaded model with where it lies and what it does."""
        return _json({"runners": [_loaded(one) for one in self.scheduler.residents]})

    @scope("admin")
    async def fit(self, request: Request) -> Response:
        """Where a model would go, of this server or in a file on its machine."""
        asked = await read(request, FitRequest)
        if bool(asked.model) == bool(asked.file):
            raise BadRequest("Either `model` or `file` says what shall be placed.")
        name, wish = await asyncio.to_thread(self._wish, asked)
        supposed = asked.gpus is not None or asked.memory is not None
        devices = _supposed(await self.host.devices(), asked)
        try:
            if supposed:
                plan = await self.host.suppose(wish, devices)
            else:
                free = self._free(devices)
                devices = [msgspec.structs.replace(one, free=free[one.name]) for one in devices]
                plan = await self.host.plan(wish, free)
        except NoRoom as error:
            told = [_told(device, Share(), 0) for device in devices]
            return _json(Fit(name, False, str(error), supposed, None, told))
        return _json(_fit(name, plan, devices, supposed))

    def _wish(self, asked: FitRequest) -> tuple[str, Wish]:
        settings = self.configuration.settings
        if asked.file:
            wish = Wish(
                _files(asked.file),
                batch=settings.batch,
                sequences=settings.sequences,
                tensor_split=settings.tensor_split,
                split_mode=settings.split_mode,
                spread=settings.spread,
                cache_type=settings.cache_type,
                flash_attention=settings.flash_attention,
            )
            name = asked.file
        else:
            try:
                model = self.library.find(asked.model)
            except ModelNotFound as error:
                raise ModelNotFound(
                    error.message,
                    "What it takes is read from its GGUF file: create the model, or name the file.",
                ) from None
            name, wish = str(model.name), wish_for(model, Demand(), settings)
        context = asked.context if asked.context is not None else settings.context
        return name, msgspec.structs.replace(
            wish,
            context=context,
            least_context=asked.context or 0,
            sequences=asked.sequences or wish.sequences,
            cache_type=asked.cache_type or wish.cache_type,
        )

    def _free(self, devices: Sequence[Device]) -> dict[str, int]:
        """What models may have of each device: idle ones would make way."""
        settings, residents = self.configuration.settings, self.scheduler.residents
        idle = [one for one in residents if not one.running and not one.waiting]
        free = {
            device.name: device.free + sum(one.bytes.get(device.name, 0) for one in idle)
            for device in devices
        }
        given = budgets(devices, free, settings)
        if settings.memory is not None:
            busy = sum(one.bytes.get(CPU, 0) for one in residents if one not in idle)
            given[CPU] = max(0, settings.memory - busy)
        return given


def _files(written: str) -> tuple[str, ...]:
    path = Path(written)
    if not path.is_absolute():
        raise BadRequest("`file` must be an absolute path on the server's machine.")
    if not path.is_file():
        raise BadRequest(f"There is no file {written[:500]!r} on the server's machine.")
    return tuple(str(part) for part in siblings(path))


def _supposed(devices: Sequence[Device], asked: FitRequest) -> list[Device]:
    """The devices, with what is given by hand in place of what there is."""
    processor, *gpus = devices
    if (memory := asked.memory) is not None:
        processor = Device(CPU, "cpu", "supposed", memory, memory)
    if asked.gpus is not None:
        named = [(f"GPU{place}", size) for place, size in enumerate(asked.gpus)]
        gpus = [Device(name, "gpu", "supposed", size, size) for name, size in named]
    return [processor, *gpus]


def _fit(name: str, plan: Plan, devices: Sequence[Device], supposed: bool) -> Fit:
    placement = plan.load.placement
    told = ToldPlacement(
        context=placement.context,
        sequences=placement.sequences,
        pooled=placement.pooled,
        cache_type=placement.cache_type_k,
    )
    found = [
        _told(one, plan.shares.get(one.name, Share()), plan.bytes.get(one.name, 0))
        for one in devices
    ]
    return Fit(name, True, plan.why, supposed, told, found)


def _told(device: Device, share: Share, bytes: int) -> ToldDevice:
    known = share.weights + share.cache + share.work
    return ToldDevice(
        name=device.name,
        kind=device.kind,
        description=device.description,
        total=device.total,
        free=device.free,
        layers=share.layers,
        weights=share.weights,
        cache=share.cache,
        compute=share.work,
        other=max(0, bytes - known),
    )


def _loaded(one: Resident) -> Loaded:
    return Loaded(
        model=str(one.model.name),
        digest=one.model.digest,
        state=one.state,
        size=sum(one.bytes.values()),
        devices=[
            LoadedOn(name, bytes, one.shares.get(name, Share()).layers)
            for name, bytes in one.bytes.items()
        ],
        context=one.placement.context,
        sequences=one.placement.sequences,
        pooled=one.placement.pooled,
        busy=one.running,
        waiting=one.waiting,
        rate=round(one.rate, 1),
        until=one.expires_at,
    )


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
