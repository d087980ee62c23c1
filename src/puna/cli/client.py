"""Speaks to a running server: a request, and the JSON that it is answered with."""

import http.client
import ipaddress
import json
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from puna.address import is_number, parse_address
from puna.errors import BadSetting, NoServer, PunaError, Unreachable

JSON = "application/json"
CONNECT_SECONDS = 10.0
# A store on a slow disk takes its time.
ANSWER_SECONDS = 600.0
# Between two lines of an answer much may have to be loaded, computed or written.
LINE_SECONDS = 3600.0
# Where a server listens on every address of a machine, this machine reaches it here.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Client:
    """A server by its address: the one given, else the environment's, else the usual one."""

    def __init__(
        self,
        address: str | None = None,
        environment: Mapping[str, str] = os.environ,
        patience: float = ANSWER_SECONDS,
    ) -> None:
        self._secure, self._host, self._port = _found(address, environment)
        self._patience = patience

    def get(self, path: str) -> Any:
        """What is at a path."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What comes of a request."""
        return self._ask("POST", path, json.dumps(body).encode())

    def delete(self, path: str, body: Mapping[str, Any]) -> Any:
        """What comes of removing something."""
        return self._ask("DELETE", path, json.dumps(body).encode())

    def has(self, path: str) -> bool:
        """Whether something is at a path."""
        with self._asked("HEAD", path, None, self._patience, {}) as response:
            if response.status == http.client.NOT_FOUND:
                return False
            self._understood(response.status, response.read() or b"{}")
            return True

    def upload(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """Bring so many bytes."""
        headers = {"content-type": "application/octet-stream", "content-length": str(size)}
        with self._asked("POST", path, chunks, LINE_SECONDS, headers) as response:
            done = response.status in (http.client.OK, http.client.CREATED)
            self._understood(http.client.OK if done else response.status, response.read())

    def stream(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Generator[Any]:
        """What comes of a request line by line, as it comes; closing this ends the request."""
        data = json.dumps(body).encode()
        with self._asked("POST", path, data, LINE_SECONDS, headers or {}) as response:
            if response.status != http.client.OK:
                self._understood(response.status, response.read())
            for line in _lines(response):
                if line.strip():
                    yield self._understood(response.status, line)

    @property
    def place(self) -> tuple[str, int]:
        """The server's host and port."""
        return self._host, self._port

    @property
    def is_here(self) -> bool:
        """Whether the address is one of this machine alone, where a server can be started."""
        if self._secure:
            return False
        if is_number(self._host):
            return ipaddress.ip_address(self._host).is_loopback
        return self._host.lower() == "localhost"

    @property
    def address(self) -> str:
        """Where the server is, as people write it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._secure else 'http'}://{host}:{self._port}"

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        with self._asked(method, path, body, self._patience, {}) as response:
            return self._understood(response.status, response.read())

    @contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None,
        seconds: float,
        headers: Mapping[str, str],
    ) -> Generator[http.client.HTTPResponse]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=min(CONNECT_SECONDS, self._patience))
        try:
            connection.connect()
            connection.sock.settimeout(seconds)
            # Who hangs up in the middle of a request has often said why.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, {"content-type": JSON, **headers})
            yield connection.getresponse()
        except ConnectionRefusedError:
            raise NoServer(f"No server answers at {self.address}.") from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise Unreachable(f"{self.address} does not answer: {error}.") from None
        finally:
            connection.close()

    def _understood(self, status: int, data: bytes) -> Any:
        try:
            # Where there is nothing to say, Ollama's API says nothing.
            answer = json.loads(data or b"{}")
        except ValueError:
            answer = None
        match answer:
            case {"error": str(told)}:
                raise PunaError(told)
            case dict() if status == http.client.OK:
                return answer  # pyright: ignore[reportUnknownVariableType] - it is JSON
            case _:
                raise Unreachable(f"What answers at {self.address} is no Puna server ({status}).")


def _lines(response: http.client.HTTPResponse) -> Generator[bytes]:
    """Each line as it comes. The response's own way to read lines takes a broken end for one."""
    rest = b""
    while data := response.read1():
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    yield rest


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
