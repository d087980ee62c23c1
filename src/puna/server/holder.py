"""Who listens on a port of this machine, as far as this user may know."""

import psutil


def holder_of(port: int) -> psutil.Process | None:
    """The process that listens there, if the system tells; of other people's it does not."""
    # One process after the other, since macOS tells only the mighty about all at once.
    for process in psutil.process_iter():
        try:
            connections = process.net_connections("tcp")
        except (psutil.Error, OSError):
            continue
        for one in connections:
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port:
                return process
    return None


def described(process: psutil.Process | None) -> str:
    """A process as a person would look for it."""
    if process is None:
        return "Somebody else"
    try:
        return f"{process.name()} (process {process.pid})"
    except psutil.Error:
        return f"Process {process.pid}"
