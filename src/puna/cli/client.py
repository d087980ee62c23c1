"""Speaks to a running server: a request, and the JSON that it is answered with."""

import http.client
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from puna.address import parse_address
from puna.errors import BadSetting, PunaError, Unreachable

CONNECT_SECONDS = 10.0
# A store on a slow disk takes its time.
ANSWER_SECONDS = 600.0
# Where a server listens on every address of a machine, this machine reaches it here.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Client:
    """A server by its address: the one given, else the environment's, else the usual one."""

    def __init__(
        self, address: str | None = None, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._secure, self._host, self._port = _found(address, environment)

    def get(self, path: str) -> Any:
        """What is at a path."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What comes of a request."""
        return self._ask("POST", path, msgspec.json.encode(body))

    @property
    def _address(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._secure else 'http'}://{host}:{self._port}"

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=CONNECT_SECONDS)
        try:
            connection.connect()
            connection.sock.settimeout(ANSWER_SECONDS)
            connection.request(method, path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            return self._understood(response.status, response.read())
        except ConnectionRefusedError:
            raise Unreachable(
                f"No server answers at {self._address}.", "`puna serve` starts one."
            ) from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise Unreachable(f"{self._address} does not answer: {error}.") from None
        finally:
            connection.close()

    def _understood(self, status: int, data: bytes) -> Any:
        try:
            answer = msgspec.json.decode(data)
        except msgspec.DecodeError:
            answer = None
        match answer:
            case {"error": str(told)}:
                raise PunaError(told)
            case dict() if status == http.client.OK:
                return answer  # pyright: ignore[reportUnknownVariableType] - it is JSON
            case _:
                raise Unreachable(f"What answers at {self._address} is no Puna server ({status}).")


def _found(address: str | None, environment: Mapping[str, str]) -> tuple[bool, str, int]:
    """Whether to speak TLS, to whom, and on which port."""
    given = [("--host", address)] if address else []
    given += [(name, environment.get(name)) for name in ("PUNA_HOST", "OLLAMA_HOST")]
    source, text = next(((name, text) for name, text in given if text), ("", ""))
    try:
        host, port = parse_address(text)
    except ValueError as error:
        raise BadSetting(f"{source}: {error}.") from None
    own = environment.get("PUNA_PORT", "")
    if not address and own.isdecimal() and 0 < int(own) <= 65535:
        port = int(own)
    return text.strip("\"' ").startswith("https://"), LOOPBACK.get(host, host), port
