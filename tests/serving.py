"""A server in a process of its own, as `puna serve` runs it."""

import json
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

COMMAND = (sys.executable, "-m", "puna", "serve")
# Settings of the machine that tests run on are not the tests'.
FOREIGN = ("PUNA_", "OLLAMA_")
END_SECONDS = 60


def quiet_port() -> int:
    """One that nobody listens on, and that the system gives to nobody who asks for any."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Served:
    """A server process: its address, and the lines of its log as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.address = re.findall(r"http://\S+", process.stdout.readline())[0]

    @property
    def children(self) -> list[psutil.Process]:
        """Every process that it has started, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def logged(self, event: str) -> dict[str, Any]:
        """Wait for this line of the log."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
        raise AssertionError(f"The log has ended without {event!r}.")


@contextmanager
def served(
    home: Path,
    *flags: str,
    command: tuple[str, ...] = COMMAND,
    log: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> Generator[Served]:
    """A server on a free port that hears of no settings but these, until the block ends."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    process = subprocess.Popen(
        [*command, "--port", "0", "--home", str(home), *flags],
        env=own | dict(settings or {}),
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        yield Served(process)
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        finally:
            process.kill()
