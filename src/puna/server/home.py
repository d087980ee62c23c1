"""The home: the folder for what a server writes, held by one server at a time."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from puna.errors import BadSetting, HomeTaken


@contextmanager
def held(home: Path) -> Generator[Path]:
    """The home, which is this process's alone in this block."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadSetting(
            f"The home {home} cannot be written to: {error.strerror}.",
            "Name another with --home or PUNA_HOME.",
        ) from None
    # The system lets go of the lock with the process, however that ends.
    with open(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = lock.read().strip() or "of an unknown number"
            raise HomeTaken(
                f"Another server, process {owner}, uses the home {home}.",
                "Stop it, or name another home with --home or PUNA_HOME.",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield home
