"""Who may be asked for, and from where: a web page must not reach the server behind one's back.

A page can make its own name point at this machine (it "rebinds" it), and its requests then look
local; only the name in `Host` gives it away. A page may also simply send requests here; then
`Origin` says whose it is.
"""

import re
import socket
from collections.abc import Iterable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from puna.address import is_number
from puna.server.refusing import refuse
from puna.settings import Settings

# Names that no public name server gives out.
LOCAL_ENDINGS = (".localhost", ".local", ".internal")
# The pages that Ollama lets in: those of this machine and of applications on it.
OWN_ORIGINS = (
    *("http://localhost", "http://localhost:*", "https://localhost", "https://localhost:*"),
    *("http://127.0.0.1", "http://127.0.0.1:*", "https://127.0.0.1", "https://127.0.0.1:*"),
    *("http://0.0.0.0", "http://0.0.0.0:*", "https://0.0.0.0", "https://0.0.0.0:*"),
    *("http://[::1]", "http://[::1]:*", "https://[::1]", "https://[::1]:*"),
    *("app://*", "file://*", "tauri://*", "vscode-webview://*", "vscode-file://*"),
)
REMEMBER_SECONDS = 43_200


class Guard:
    """An ASGI layer that lets only those in who may come, and answers browsers that ask first."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._names = _either(settings.hosts)
        self._own = frozenset({settings.address[0].lower(), socket.gethostname().lower()})
        origins = _either((*OWN_ORIGINS, *settings.origins))
        self._origins = origins
        self._answering_browsers = CORSMiddleware(
            app,
            allow_origin_regex=origins.pattern,
            allow_methods=("*",),
            allow_headers=("*",),
            allow_private_network=True,
            expose_headers=("X-Request-Id",),
            max_age=REMEMBER_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may come in."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        for host in headers.getlist("host"):
            if not self._may_be_asked_for(host):
                why = f"This server is not known as {host[:200]!r}. PUNA_HOSTS lists its names."
                await refuse(send, HTTPStatus.FORBIDDEN, why)
                return
        origin = headers.get("origin")
        if origin is None or origin.partition("://")[2] == headers.get("host"):
            await self._app(scope, receive, send)
        elif self._origins.fullmatch(origin) is None:
            why = f"Pages of {origin[:200]} may not use this server. PUNA_ORIGINS lists who may."
            await refuse(send, HTTPStatus.FORBIDDEN, why)
        else:
            await self._answering_browsers(scope, receive, send)

    def _may_be_asked_for(self, host: str) -> bool:
        name = _without_port(host).lower().rstrip(".")
        # A number cannot be made to point elsewhere, and a name without a dot is nobody's outside.
        return (
            name in self._own
            or is_number(name)
            or "." not in name
            or name.endswith(LOCAL_ENDINGS)
            or self._names.fullmatch(name) is not None
        )


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _either(patterns: Iterable[str]) -> re.Pattern[str]:
    """What any of these matches; a star is any part of a host, or alone, anything."""
    written = (
        ".*" if one == "*" else "[^/@]*".join(map(re.escape, one.lower().split("*")))
        for one in patterns
    )
    return re.compile("|".join(written) or r"(?!)", re.IGNORECASE)
