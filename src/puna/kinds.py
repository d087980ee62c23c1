"""The kinds of values that settings have: how each is read from what people write, and written."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from puna.units import read_duration, read_size, write_duration, write_size

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]

SplitMode = Literal["none", "layer", "row", "tensor"]

DAY = 86_400.0


def _auto(value: object) -> object:
    """What says that a thing is left to the server; Ollama's way to say so is 0."""
    return None if value in (0, "0", "auto") else value


def _auto_or(read: Callable[[object], object]) -> BeforeValidator:
    return BeforeValidator(lambda value: None if _auto(value) is None else _auto(read(value)))


def _endless(value: object) -> object:
    """No more than nothing is, of what has a longest time, as long as it may be."""
    seconds = read_duration(value)
    return DAY if isinstance(seconds, int | float) and seconds <= 0 else seconds


def _switch(on: str, off: str) -> BeforeValidator:
    """Reads what Ollama has as a switch into one of two words."""
    words = {"1": on, "2": on, "true": on, "0": off, "false": off}
    return BeforeValidator(lambda value: words.get(str(value).strip().lower(), value))


def _listed(value: object) -> object:
    """A list as the environment has it: parts between commas."""
    if not isinstance(value, str):
        return value
    return tuple(part for one in value.split(",") if (part := one.strip()))


def _some(parts: tuple[float, ...]) -> tuple[float, ...]:
    """Parts of a whole, of which something must be."""
    if parts and not sum(parts):
        raise ValueError("of the parts one must be more than 0")
    return parts


_SECONDS = PlainSerializer(write_duration, return_type=str, when_used="json")
_BYTES = PlainSerializer(write_size, return_type=str, when_used="json")

Seconds = Annotated[float, BeforeValidator(read_duration), _SECONDS]
LoadSeconds = Annotated[float, BeforeValidator(_endless), _SECONDS]
SomeSeconds = Annotated[
    Annotated[float, _SECONDS] | None,
    _auto_or(read_duration),
]
Bytes = Annotated[int, BeforeValidator(read_size), _BYTES]
SomeBytes = Annotated[Annotated[int, _BYTES] | None, _auto_or(read_size)]
SomeInteger = Annotated[int | None, BeforeValidator(_auto)]
Port = Annotated[
    Annotated[int, Field(ge=0, le=65535)] | None,
    # Of a port, 0 has a meaning of its own.
    BeforeValidator(lambda value: None if value == "auto" else value),
]
Folder = Annotated[Path, AfterValidator(Path.expanduser)]
SomePath = Annotated[Folder | None, BeforeValidator(_auto)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Part = Annotated[float, Field(ge=0, le=1e6)]
Parts = Annotated[
    tuple[Part, ...],
    Field(max_length=16),
    BeforeValidator(_listed),
    AfterValidator(_some),
]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], _switch(on="debug", off="info")]
FlashAttention = Annotated[Literal["auto", "on", "off"], _switch(on="on", off="off")]
