"""Every setting: type, default, environment names, and whether it acts live or at restart."""

from pathlib import Path
from typing import Any, Literal

from platformdirs import user_data_path
from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from puna.protocol import Pace, Placement

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]

LogLevel = Literal["debug", "info", "warning", "error"]


def setting(
    default: Any,
    description: str,
    *names: str,
    effect: Literal["live", "restart"] = "restart",
    **bounds: Any,
) -> Any:
    """One setting; the names are those of the environment, the strongest first."""
    return Field(
        default,
        description=description,
        validation_alias=AliasChoices(*names),
        json_schema_extra={"effect": effect},
        **bounds,
    )


class Settings(BaseSettings):
    """All settings of a server."""

    model_config = SettingsConfigDict(populate_by_name=True, extra="ignore", frozen=True)

    host: str = setting(
        "127.0.0.1",
        "The address to listen on: a name or number, with a port if wanted.",
        "PUNA_HOST",
        "OLLAMA_HOST",
    )
    port: int = setting(
        11434,
        "The port, where the address has none; 0 is any free one.",
        "PUNA_PORT",
        ge=0,
        le=65535,
    )
    home: Path = setting(user_data_path("puna"), "Where Puna keeps what it writes.", "PUNA_HOME")
    models: Path | None = setting(
        None, "The store of models; by default, in the home.", "PUNA_MODELS", "OLLAMA_MODELS"
    )
    engine: Path | None = setting(
        None, "A native engine's library, in place of the embedded one.", "PUNA_ENGINE"
    )
    context: int = setting(
        4096,
        "How many tokens a conversation may have.",
        "PUNA_CONTEXT",
        "OLLAMA_CONTEXT_LENGTH",
        ge=16,
        le=16_777_216,
    )
    sequences: int = setting(
        4,
        "How many jobs a runner works on at once.",
        "PUNA_SEQUENCES",
        "OLLAMA_NUM_PARALLEL",
        ge=1,
        le=256,
    )
    batch: int = setting(512, "How many tokens a step takes.", "PUNA_BATCH", ge=32, le=16_384)
    threads: int = setting(
        0, "How many threads compute; 0 is one for each core.", "PUNA_THREADS", ge=0, le=1024
    )
    cache_type: CacheType = setting(
        "f16", "How the KV cache is stored.", "PUNA_CACHE_TYPE", "OLLAMA_KV_CACHE_TYPE"
    )
    whole_prompt: int = setting(
        256, "A prompt up to so many tokens goes in at once.", "PUNA_WHOLE_PROMPT", ge=1, le=16_384
    )
    stretch: float = setting(
        2.0,
        "How many times longer a step may get because prompts share it.",
        "PUNA_STRETCH",
        ge=1.0,
        le=100.0,
    )
    speculate: bool = setting(
        True, "Guess tokens from a sequence's own text where that pays.", "PUNA_SPECULATE"
    )
    load_timeout: float = setting(
        300.0,
        "How many seconds a model may take to load.",
        "PUNA_LOAD_TIMEOUT",
        effect="live",
        gt=0,
        le=86_400,
    )

    log_level: LogLevel = setting(
        "info", "How much is logged: this, and whatever is graver.", "PUNA_LOG_LEVEL"
    )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host = self.host.removeprefix("http://").removeprefix("https://").rstrip("/")
        bare, _, port = host.rpartition(":")
        if bare and port.isdecimal() and (bare.endswith("]") or ":" not in bare):
            return bare.strip("[]"), int(port)
        return host.strip("[]"), self.port

    @property
    def placement(self) -> Placement:
        """How models lie on this machine unless asked otherwise."""
        return Placement(
            context=self.context,
            sequences=self.sequences,
            batch=self.batch,
            threads=self.threads,
            cache_type_k=self.cache_type,
            cache_type_v=self.cache_type,
        )

    @property
    def pace(self) -> Pace:
        """How runners share their steps."""
        return Pace(whole_prompt=self.whole_prompt, stretch=self.stretch, speculate=self.speculate)
