"""A module of the engine's, run in a process of its own: an engine may crash it, or hang in it."""

import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from puna.errors import EngineFailed
from puna.runners.process import LEASH, allowed_environment, describe_exit

# So many of the last lines go into the error for a child that failed.
SHOWN = 5


def lines_of(
    module: str, argument: str, engine: Path | None, seconds: float, told: str = "{"
) -> Iterator[str]:
    """The lines that begin with `told`, as the child writes them; `engine` None is the embedded.

    `EngineFailed` if it ends otherwise than well, or says nothing for so many seconds.
    """
    child = _Child(("-m", module, argument), engine)
    others = deque[str](maxlen=SHOWN)
    try:
        while (line := child.line(seconds)) is not None:
            if line.startswith(told):
                yield line
            else:
                others.append(line)
    finally:
        child.kill()
    if child.code:
        note = f" The end of its log: {' | '.join(others)}" if others else ""
        raise EngineFailed(f"The engine's process {describe_exit(child.code)}.{note}")


class _Child:
    """A process with a thread of its own, for as long as both live.

    The system ends a process on the leash with the thread that started it, and a server's threads
    come and go.
    """

    def __init__(self, command: tuple[str, ...], engine: Path | None) -> None:
        self.code = 0
        self._process: subprocess.Popen[str] | None = None
        self._started = threading.Event()
        self._lines = queue.Queue[str | None]()
        environment = allowed_environment(os.environ) | {"PUNA_ENGINE": str(engine or "")}
        self._thread = threading.Thread(
            target=self._run, args=(command, environment), name="child", daemon=True
        )
        self._thread.start()

    def _run(self, command: tuple[str, ...], environment: dict[str, str]) -> None:
        try:
            self._process = subprocess.Popen(
                (sys.executable, "-P", str(LEASH), "--large-files", str(os.getpid()), *command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=environment,
                start_new_session=True,
            )
        finally:
            self._started.set()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self.code = self._process.wait()
        self._lines.put(None)

    def line(self, seconds: float) -> str | None:
        """The next line; None is the end."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            raise EngineFailed(f"The engine hangs: it said nothing for {seconds:g} s.") from None

    def kill(self) -> None:
        """End it, if it has not ended."""
        self._started.wait()
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
        self._thread.join()
