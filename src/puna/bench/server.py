"""A server to measure: where it is, which API it speaks, and how it is asked."""

import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from puna.address import parse_address
from puna.bench.asking import Answer, Ask, checked
from puna.bench.dialect import Dialect, Manner, body_of, read_exchange
from puna.bench.ollama import Ollama
from puna.bench.openai import OpenAI
from puna.bench.wire import Address, Exchange, Wires
from puna.errors import BadSetting, Unreachable

Api = Literal["auto", "ollama", "openai"]
DIALECTS: dict[str, type[Dialect]] = {"ollama": Ollama, "openai": OpenAI}


class Server:
    """A server that is asked in one API for one model."""

    def __init__(self, wires: Wires, dialect: Dialect, manner: Manner) -> None:
        self.address = wires.address
        self.dialect = dialect
        self.manner = manner
        self._wires = wires

    async def ask(self, ask: Ask, due: float | None = None) -> Answer:
        """One request, which was due now unless told otherwise."""
        due = time.perf_counter() if due is None else due
        path, body = body_of(self.dialect, ask, self.manner)
        exchange = await self._wires.post(path, body)
        ended = time.perf_counter()
        return Answer(ask, due, ended, checked(ask, read_exchange(self.dialect, ask, exchange)))

    def close(self) -> None:
        """Hang up."""
        self._wires.close()


async def find(wires: Wires, api: Api, manner: Manner) -> Server:
    """A server, and its API where that is not told."""
    kind = await _speaks(wires) if api == "auto" else api
    return Server(wires, DIALECTS[kind](), manner)


def read_address(url: str) -> Address:
    """An address in any form that Ollama takes, with a path before each of the API's if need be."""
    text = url.strip()
    try:
        host, port = parse_address(text)
    except ValueError as error:
        raise BadSetting(f"{error}.") from None
    base = urlsplit(text if "://" in text else f"//{text}").path.rstrip("/").removesuffix("/v1")
    if any(not "!" <= sign <= "~" for sign in host + base):
        raise BadSetting(f"{url!r} is no address.")
    return Address(host, port, text.startswith("https://"), base)


async def _speaks(wires: Wires) -> str:
    version = await wires.get("/api/version")
    if version.fault is not None:
        raise Unreachable(version.error, "Is it the right address?")
    if "version" in _fields(version):
        return "ollama"
    if "data" in _fields(await wires.get("/v1/models")):
        return "openai"
    raise Unreachable(
        f"{wires.address} speaks neither Ollama's API nor OpenAI's.",
        "With --api ollama or --api openai it is not asked which.",
    )


def _fields(exchange: Exchange) -> Mapping[str, Any]:
    if exchange.status != 200:
        return {}
    try:
        return msgspec.json.decode(exchange.body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
