"""A server in a process of its own, from its start until it has ended."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

SERVE = (sys.executable, "-m", "puna", "serve", "--host", "127.0.0.1", "--port", "0")
END_SECONDS = 30


@contextmanager
def started(
    command: Sequence[str] = SERVE, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server that listens: its address, without the scheme, and its process."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://(\S+)", process.stdout.readline())
        assert found is not None
        yield found[1], process
    finally:
        process.terminate()
        process.wait(END_SECONDS)
