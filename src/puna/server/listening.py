"""The socket that the server listens on."""

import errno
import ipaddress
import socket

from puna.errors import AddressTaken, BadSetting, Unprotected
from puna.server.holder import described, holder_of
from puna.settings import Settings


def listen(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say, if that is safe."""
    host, port = settings.address
    family, address = _resolve(host, port)
    if not (settings.allow_anonymous or ipaddress.ip_address(address[0]).is_loopback):
        raise Unprotected(
            f"On {address[0]}, anybody who can reach this machine could use the server.",
            "Listen on 127.0.0.1, or set PUNA_ALLOW_ANONYMOUS=1 if that is meant.",
        )
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise _taken(host, port) from None
        raise BadSetting(f"{host}:{port} cannot be listened on: {error.strerror}.") from None
    listener.listen(2048)
    return listener


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """What a host stands for; of several the number of the older kind, as most clients expect."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise BadSetting(f"The host {host!r} is unknown here: {error.strerror}.") from None
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, (str(address[0]), port)


def _taken(host: str, port: int) -> AddressTaken:
    process = holder_of(port)
    stop = "Stop it" if process is None else f"Stop it (kill {process.pid})"
    return AddressTaken(
        f"{described(process)} listens on {host}:{port} already.",
        f"{stop}, or choose another port with --port or PUNA_PORT.",
    )
