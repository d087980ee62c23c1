"""Starts a server in the background, for a command that finds none on this machine."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from puna.cli.client import Client
from puna.configuration import Configuration
from puna.errors import NoServer, NotStarted
from puna.server.logs import BACKGROUND

# So long a server may take to start, and others to start one.
START_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_LAST_LINES = 20
_PREFIX = "puna: "


def have_server(client: Client, tell: Callable[[str], None]) -> None:
    """See to it that a server answers: on this machine, by starting one where there is none."""
    if _answers(client):
        return
    if not client.is_here:
        raise NoServer(f"No server answers at {client.address}.")
    home = Configuration().settings.home.absolute()
    try:
        logs = home / "logs"
        # Each by itself: parents that are made on the way are open to others.
        for folder in (home, logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(home):
            # Another command may have started one meanwhile.
            if not _answers(client):
                _start(client, home, logs / BACKGROUND, tell)
    except OSError as error:
        raise NotStarted(
            f"No server answers at {client.address}, and none can be started, as the home {home} "
            f"cannot be written to: {error.strerror}.",
            "Name another home with PUNA_HOME, or say with --host where a server is.",
        ) from None


def _answers(client: Client) -> bool:
    try:
        client.get("/api/version")
    except NoServer:
        return False
    return True


@contextmanager
def _alone(home: Path) -> Generator[None]:
    """Only one command at a time starts a server in a home; the others wait for it."""
    limit = time.monotonic() + START_SECONDS
    with open(os.open(home / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)) as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > limit:
                    raise NotStarted(
                        "Another command has been starting a server for too long.",
                        f"Its log is {home / 'logs' / BACKGROUND}.",
                    ) from None
                time.sleep(_LOOK_SECONDS)
        yield


def _start(client: Client, home: Path, log: Path, tell: Callable[[str], None]) -> None:
    host, port = client.place
    # Not the folder that the command is called in: what lies there must not be taken for Puna.
    words = (sys.executable, "-P", "-m", "puna", "serve")
    flags = ("--host", host, "--port", str(port), "--home", str(home))
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)) as output:
        process = subprocess.Popen(
            (*words, *flags),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # What is typed in this terminal, Ctrl-C too, is none of its business.
            start_new_session=True,
        )
    tell(
        f"No server answers at {client.address}, so one is started in the background: "
        f"`kill {process.pid}` ends it, its log is {log.with_name('puna.log')}."
    )
    limit = time.monotonic() + START_SECONDS
    while not _answers(client):
        if process.poll() is not None:
            # One that others have started may hold the address.
            if _answers(client):
                return
            raise NotStarted(f"The server could not be started. {_said(log)}")
        if time.monotonic() > limit:
            process.kill()
            raise NotStarted(f"The server did not answer in time. {_said(log)}")
        time.sleep(_LOOK_SECONDS)


def _said(log: Path) -> str:
    """The end of what a server has said; the error alone, where that is what it ended with."""
    lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    if lines and lines[-1].startswith(_PREFIX):
        return lines[-1].removeprefix(_PREFIX)
    return "\n".join(["It said:", *lines]) if lines else "It said nothing."
