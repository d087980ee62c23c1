"""Every setting: type, default, environment names, and whether it acts live or at restart.

From where their values come is in `configuration.py`.
"""

from pathlib import Path
from typing import Any, Literal, Self, cast

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.config import JsonDict

from puna.address import PORT, parse_address
from puna.kinds import (
    DAY,
    Bytes,
    CacheType,
    FlashAttention,
    Folder,
    LoadSeconds,
    LogLevel,
    Names,
    Parts,
    Port,
    Seconds,
    SomeBytes,
    SomeInteger,
    SomePath,
    SomeSeconds,
    SplitMode,
)
from puna.protocol import Pace

Effect = Literal["live", "restart"]


def setting(
    default: Any, description: str, ollama: str = "", effect: Effect = "restart", **bounds: Any
) -> Any:
    """One setting: its default, what it is for, and what Ollama calls it if it knows it."""
    mark: JsonDict = {"effect": effect, "ollama": ollama}
    return Field(default, description=description, json_schema_extra=mark, **bounds)


class Settings(BaseModel):
    """All settings of a server. Those that act live may change while it runs: see `renew`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    host: str = setting(
        "127.0.0.1",
        "The address to listen on: a name or number, with a port if wanted.",
        "OLLAMA_HOST",
    )
    port: Port = setting(None, f"The port; by default the address's own, else {PORT}. 0 is any.")
    hosts: Names = setting(
        (), "More names under which the server may be asked for; * is any, *.example.org some."
    )
    origins: Names = setting(
        (), "Web pages that may ask besides those of this machine; * is any.", "OLLAMA_ORIGINS"
    )
    history_revisions: int = setting(
        10, "How many former revisions of a model's name are kept; 0 keeps none.", ge=0, le=10_000
    )
    history_days: float = setting(90.0, "For how many days a former revision is kept.", ge=0)
    gc_interval: Seconds = setting(
        3600.0,
        "How often an idle server removes what no model needs; 0 is never.",
        effect="live",
        ge=0,
    )
    allow_anonymous: bool = setting(
        False, "Listen beyond this machine although anybody may then use the server."
    )
    max_body: Bytes = setting(
        128 << 20, "How large a request may be; files of models are no part of it.", ge=1024
    )

    home: Folder = setting(user_data_path("puna"), "Where Puna keeps what it writes.")
    models: SomePath = setting(
        None, "The store of models; by default, in the home.", "OLLAMA_MODELS"
    )
    engine: SomePath = setting(None, "A native engine's library, in place of the embedded one.")

    context: SomeInteger = setting(
        None,
        "How many tokens a conversation may have; by default, what model and memory allow.",
        "OLLAMA_CONTEXT_LENGTH",
        ge=16,
        le=16_777_216,
    )
    sequences: SomeInteger = setting(
        None,
        "How many jobs a runner works on at once; by default, what memory allows.",
        "OLLAMA_NUM_PARALLEL",
        ge=1,
        le=256,
    )
    batch: int = setting(512, "How many tokens a step takes.", ge=32, le=16_384)
    threads: int = setting(0, "How many threads compute; 0 is one for each core.", ge=0, le=1024)
    cache_type: CacheType = setting("f16", "How the KV cache is stored.", "OLLAMA_KV_CACHE_TYPE")
    flash_attention: FlashAttention = setting(
        "auto", "Whether attention is computed the flash way.", "OLLAMA_FLASH_ATTENTION"
    )
    split_mode: SplitMode = setting(
        "layer", "How a model lies on several GPUs: by layers, rows or tensors, or on one alone."
    )
    tensor_split: Parts = setting(
        (), "What part of a model each GPU has, such as 3,1; by default, by their free memory."
    )
    spread: bool = setting(
        False, "Use all GPUs also for what one of them could hold.", "OLLAMA_SCHED_SPREAD"
    )
    whole_prompt: int = setting(
        256, "A prompt up to so many tokens goes in at once.", ge=1, le=16_384
    )
    stretch: float = setting(
        2.0, "How many times longer a step may get because prompts share it.", ge=1.0, le=100.0
    )
    speculate: bool = setting(True, "Guess tokens from a sequence's own text where that pays.")
    gather: float = setting(
        16.0,
        "For how many milliseconds tokens may wait to be sent with the next; 0 sends each at once.",
        ge=0,
        le=1000,
    )

    memory: SomeBytes = setting(
        None, "How much main memory models may take; by default, what is free.", ge=1
    )
    gpu_overhead: Bytes = setting(
        0, "How much of each GPU's memory is left to others.", "OLLAMA_GPU_OVERHEAD", ge=0
    )
    reserve: Bytes = setting(
        512 << 20, "Idle models go when less than this is free on a device.", effect="live", ge=0
    )
    max_loaded_models: SomeInteger = setting(
        None,
        "How many models may be loaded at once; by default, what memory allows.",
        "OLLAMA_MAX_LOADED_MODELS",
        effect="live",
        ge=1,
    )
    max_queue: int = setting(
        512, "How many jobs may wait.", "OLLAMA_MAX_QUEUE", effect="live", ge=0
    )
    keep_alive: Seconds = setting(
        300.0,
        "How long an unused model stays loaded; negative is for ever.",
        "OLLAMA_KEEP_ALIVE",
        effect="live",
    )
    load_timeout: LoadSeconds = setting(
        300.0,
        "How long a model may take to load; 0 or less is a day.",
        "OLLAMA_LOAD_TIMEOUT",
        effect="live",
        le=DAY,
    )
    queue_timeout: Seconds = setting(600.0, "How long a job may wait.", effect="live", gt=0)
    request_timeout: SomeSeconds = setting(
        None, "How long a job may take, all in all; by default, as long as it takes.",
        effect="live", gt=0,
    )  # fmt: skip
    stall_timeout: Seconds = setting(
        30.0, "A runner that makes no progress for so long is replaced.", effect="live", gt=0
    )
    grace: Seconds = setting(
        30.0, "How long running jobs may go on when the server ends.", effect="live", ge=0
    )

    history_jobs: int = setting(
        10_000, "How many ended jobs are remembered.", effect="live", ge=0, le=10_000_000
    )
    history_age: Seconds = setting(
        7 * DAY, "How long ended jobs are remembered.", effect="live", gt=0
    )

    log_level: LogLevel = setting(
        "info", "How much is logged: this, and whatever is graver.", "OLLAMA_DEBUG", effect="live"
    )
    log_prompts: bool = setting(
        False, "Log what is asked, word for word. Without this, no prompt is.", effect="live"
    )
    log_size: Bytes = setting(10 << 20, "How large a log file gets before the next.", ge=4096)
    log_files: int = setting(
        5, "How many log files are kept in the home; 0 writes none.", ge=0, le=1000
    )

    @field_validator("host")
    @classmethod
    def _readable(cls, host: str) -> str:
        parse_address(host)
        return host

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, port = parse_address(self.host)
        return host, self.port if self.port is not None else port

    @property
    def store(self) -> Path:
        """The folder of the store of models."""
        return self.models or self.home / "models"

    @property
    def pace(self) -> Pace:
        """How runners share their steps."""
        return Pace(self.whole_prompt, self.stretch, self.speculate, self.gather / 1000)

    @classmethod
    def effect(cls, name: str) -> Effect:
        """When a change of this setting acts."""
        return "live" if _mark(name, "effect") == "live" else "restart"

    @classmethod
    def environment(cls, name: str) -> tuple[str, ...]:
        """What the environment calls this setting, the strongest first."""
        ours, theirs = f"PUNA_{name.upper()}", _mark(name, "ollama")
        return (ours, theirs) if theirs else (ours,)

    def renew(self, other: Self) -> list[str]:
        """Take over what acts live; the answer names what else differs and awaits a restart.

        In place, since everybody who acts by a setting holds these and reads them as they act.
        """
        changed = [
            name for name in Settings.model_fields if getattr(self, name) != getattr(other, name)
        ]
        for name in changed:
            if self.effect(name) == "live":
                setattr(self, name, getattr(other, name))
        return [name for name in changed if self.effect(name) == "restart"]


def _mark(name: str, key: str) -> str:
    extra = Settings.model_fields[name].json_schema_extra
    assert isinstance(extra, dict), "every field is made by `setting`"
    return cast(dict[str, str], extra)[key]
