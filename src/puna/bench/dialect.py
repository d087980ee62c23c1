"""The seam to an API: how a request is put, and how an answer is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import msgspec

from puna.bench.asking import Ask, Told
from puna.bench.wire import Exchange, Part


@dataclass(frozen=True, slots=True)
class Manner:
    """How every request of a run is to be answered."""

    model: str
    temperature: float
    # Go on to the asked length though the model would end; not all servers know how.
    ignore_eos: bool = True
    # What is added to each body, as it is.
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Dialect(Protocol):
    """One family of HTTP APIs."""

    name: str

    def put(self, ask: Ask, manner: Manner) -> tuple[str, dict[str, Any]]:
        """The path and the body of a request."""
        ...

    def read(self, ask: Ask, parts: Sequence[Part]) -> Told:
        """What an answer says that came with status 200."""
        ...


def body_of(dialect: Dialect, ask: Ask, manner: Manner) -> tuple[str, bytes]:
    """The path of a request, and its body with what is added to each."""
    path, body = dialect.put(ask, manner)
    return path, msgspec.json.encode(merged(body, manner.extra))


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """A body with fields over it; objects are merged field by field."""
    result = dict(body)
    for name, value in extra.items():
        below = result.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            value = merged(cast(dict[str, Any], below), cast(dict[str, Any], value))
        result[name] = value
    return result


def read_exchange(dialect: Dialect, ask: Ask, exchange: Exchange) -> Told:
    """What an exchange says, whatever it is."""
    if exchange.fault is not None:
        return Told(fault=exchange.fault, error=exchange.error)
    if exchange.status != 200:
        return Told(fault="refused", error=f"{exchange.status}: {complaint(exchange.body)}")
    try:
        return dialect.read(ask, exchange.parts)
    except msgspec.DecodeError as error:
        return Told(fault="malformed", error=f"This is not of {dialect.name}'s API: {error}.")


def complaint(body: bytes) -> str:
    """What a server says was wrong, wherever in its answer that stands."""
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body[:200].decode(errors="replace").strip()
    while isinstance(said, dict):
        fields = cast(dict[str, Any], said)
        said = next((fields[name] for name in ("error", "message", "detail") if name in fields), "")
    return str(said)[:500]


def lines(parts: Sequence[Part]) -> Iterator[Part]:
    """The lines of a body that are not empty, each with the moment at which its end came."""
    rest, at = b"", 0.0
    for at, data in parts:
        *whole, rest = (rest + data).split(b"\n")
        yield from ((at, line) for line in whole if line.strip())
    if rest.strip():
        yield at, rest
