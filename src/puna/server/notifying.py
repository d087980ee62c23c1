"""Tells the system's service manager how the server is, where it has asked to be told.

systemd leaves the address of a socket in the environment, and takes lines there: sd_notify(3).
"""

import os
import socket
from contextlib import suppress

ADDRESS = "NOTIFY_SOCKET"


def tell_ready(address: str) -> None:
    """The server can be asked, at this address."""
    _tell("READY=1", f"STATUS=Listens on {address}")


def tell_ending(seconds: float) -> None:
    """The server ends, which may take so many seconds: nobody shall cut it short before."""
    _tell("STOPPING=1", "STATUS=Ends", f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")


def _tell(*lines: str) -> None:
    address = os.environ.get(ADDRESS, "")
    if not address:
        return
    # A manager that cannot be told is no reason not to serve.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        # An abstract address begins with a zero byte, which the environment cannot hold.
        line.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        line.send("\n".join(lines).encode())
