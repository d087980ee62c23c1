"""What an answer took, in counts, durations and rates, as Ollama tells them."""

from collections.abc import Iterator, Mapping
from typing import Any

_NANOSECONDS = 1_000_000_000


def figures(ending: Mapping[str, Any]) -> Iterator[str]:
    """A line for each figure that an answer's last line has."""
    yield from _duration("total duration", ending.get("total_duration"))
    yield from _duration("load duration", ending.get("load_duration"))
    for name, key in (("prompt eval", "prompt_eval"), ("eval", "eval")):
        count, duration = ending.get(f"{key}_count"), ending.get(f"{key}_duration")
        if count:
            yield _line(f"{name} count", f"{count} token(s)")
        yield from _duration(f"{name} duration", duration)
        if count and duration:
            yield _line(f"{name} rate", f"{count / duration * _NANOSECONDS:.2f} tokens/s")


def _duration(name: str, nanoseconds: int | None) -> Iterator[str]:
    if nanoseconds:
        seconds = nanoseconds / _NANOSECONDS
        written = f"{seconds:.3f}s" if seconds >= 1 else f"{seconds * 1000:.3f}ms"
        yield _line(name, written)


def _line(name: str, value: str) -> str:
    return f"{name + ':':<21} {value}"
