"""From a job to what it wants loaded: the key of its runner, and how long that is kept."""

from pathlib import Path, PurePath

from msgspec.structs import replace

from puna.errors import BadRequest
from puna.hosts.host import Wish
from puna.jobs import ChatJob, CompleteJob, Demand, EmbedJob, Job, RerankJob
from puna.models.builtin_model import builtin_model
from puna.models.digests import is_digest, parse_digest
from puna.models.model import Model
from puna.protocol import Adapter
from puna.scheduling.claims import Claim, Rules
from puna.settings import Settings

_PRIORITIES = {"interactive": 0, "normal": 1, "batch": 2}


def wish_for(model: Model, demand: Demand, settings: Settings) -> Wish:
    """What is loaded for a model: two jobs with equal wishes share a runner.

    The context is not part of it, since a runner with more of it serves a job that wants less.
    """
    wish = Wish(
        weights=tuple(_content(path) for path in model.weights),
        projector=str(model.projector) if model.projector else "",
        adapters=tuple(Adapter(str(path)) for path in model.adapters),
        sequences=settings.sequences,
        batch=_bounded("num_batch", demand.batch, settings.batch, 1, 16_384),
        threads=_bounded("num_thread", demand.threads, settings.threads, 0, 1024),
        gpu_layers=demand.gpu_layers,
        tensor_split=settings.tensor_split,
        split_mode=settings.split_mode,
        spread=settings.spread,
        cache_type=settings.cache_type,
        flash_attention=settings.flash_attention,
        pace=settings.pace,
    )
    if demand.main_gpu is not None:
        wish = replace(wish, main_gpu=_bounded("main_gpu", demand.main_gpu, 0, 0, 255))
    if demand.mmap is not None:
        wish = replace(wish, mmap=demand.mmap)
    if demand.mlock is not None:
        wish = replace(wish, mlock=demand.mlock)
    return wish


def _content(path: Path) -> str:
    """Where the content of this file lies: what comes with Puna is the same in the store."""
    builtin = builtin_model()
    return str(builtin.weights[0] if path.name == f"sha256-{builtin.digest}" else path)


def blobs_of(wish: Wish) -> set[str]:
    """The digests of all files that it needs and that are blobs of the store."""
    files = (*wish.weights, wish.projector, *(adapter.path for adapter in wish.adapters))
    return {parse_digest(name) for file in files if is_digest(name := PurePath(file).name)}


def _bounded(name: str, asked: int | None, default: int, least: int, most: int) -> int:
    if asked is None:
        return default
    if not least <= asked <= most:
        raise BadRequest(f"{name} is {asked}, it must be from {least} to {most}.")
    return asked


def claim_of(job: Job, wish: Wish, settings: Settings) -> Claim:
    """What a job asks the scheduler for."""
    keep_alive = job.demand.keep_alive
    vectors = isinstance(job, EmbedJob | RerankJob)
    return Claim(
        job=job.id,
        key=wish,
        principal=job.owner.principal,
        priority=_PRIORITIES[job.owner.priority],
        lane="vectors" if vectors else "generate",
        size=1 if isinstance(job, EmbedJob | RerankJob) else job.choices,
        context=context_of(job),
        keep_alive=settings.keep_alive if keep_alive is None else keep_alive,
    )


def context_of(job: Job) -> int:
    """How many tokens a job's runner must take at least; 0 is any."""
    match job:
        case ChatJob() | CompleteJob():
            return job.fit.context or 0
        case EmbedJob():
            return job.context or 0
        case RerankJob():
            return 0


def errand_of(id: str, wish: Wish, keep_alive: float | None, context: int) -> Claim:
    """What a question to a runner asks for: that it is there."""
    return Claim(id, wish, "", lane="errand", size=0, context=context, keep_alive=keep_alive)


def rules_of(settings: Settings) -> Rules:
    """The settings that the table heeds."""
    return Rules(
        max_queue=settings.max_queue,
        max_loaded=settings.max_loaded_models,
        queue_timeout=settings.queue_timeout,
        reserve=settings.reserve,
        keep_alive=settings.keep_alive,
    )
