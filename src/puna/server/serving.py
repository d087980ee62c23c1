"""Listens on an address and serves the application there, until told to stop."""

import errno
import socket
import sys

import structlog
import uvicorn

from puna.errors import AddressTaken
from puna.hosts.host import Host
from puna.server.app import create_app
from puna.settings import Settings

GRACE_SECONDS = 5


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise AddressTaken(
            f"Somebody else listens on {host}:{port}.",
            "Stop that server, or choose another port with --port or PUNA_PORT.",
        ) from None
    listener.listen(2048)
    return listener


def configure_log(settings: Settings) -> None:
    """Log to the terminal, from the level on that is asked for."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def serve(settings: Settings, runners_on: Host | None = None) -> None:
    """Serve until a signal comes; running jobs get a moment to finish."""
    configure_log(settings)
    listener = listen(*settings.address)
    host, port = listener.getsockname()[:2]
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, runners_on),
            loop="uvloop",
            http="httptools",
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    print(f"Puna listens on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    server.run(sockets=[listener])
