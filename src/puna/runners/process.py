"""A runner's operating system process: its start, its surroundings, its log and its end.

What is said over the socket is not known here.
"""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
# What a runner may see of the server's environment. The server's secrets are not among it.
ALLOWED = frozenset(
    {
        "CUDA_VISIBLE_DEVICES",
        "GLIBC_TUNABLES",
        "HIP_VISIBLE_DEVICES",
        "HOME",
        "LANG",
        "LC_ALL",
        "LD_LIBRARY_PATH",
        "PATH",
        "PUNA_ENGINE",
        "PYTHONPATH",
        "ROCR_VISIBLE_DEVICES",
        "TMPDIR",
        "TZ",
    }
)
ALLOWED_BEGINNINGS = ("GGML_", "DYLD_")
# When the engine's library ends the process, it says why, and no debugger's trace hides that.
ALWAYS = {"GGML_NO_BACKTRACE": "1"}
LOG_BYTES = 16_384


def allowed_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that a runner gets."""
    return {
        name: value
        for name, value in environment.items()
        if name in ALLOWED or name.startswith(ALLOWED_BEGINNINGS)
    }


class LogTail:
    """The last lines that a process wrote, bounded in size."""

    def __init__(self, limit: int = LOG_BYTES) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._limit = limit

    def add(self, piece: bytes) -> None:
        """Remember this; the oldest is forgotten for it."""
        self._pieces.append(piece[-self._limit :])
        self._size += len(self._pieces[-1])
        while self._size > self._limit:
            self._size -= len(self._pieces.popleft())

    def __str__(self) -> str:
        return b"".join(self._pieces).decode(errors="replace").strip()


class RunnerProcess:
    """One started process, and everything that ends with it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log = LogTail()
        self._ending = asyncio.create_task(self._follow())

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> "RunnerProcess":
        """Start a command on a leash, in a session of its own, so that Ctrl-C is not for it.

        The command is a program, or `-m` and a module of Python's.
        Its environment is what is allowed of this process's own, and what is given here.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(LEASH), str(os.getpid()), *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=allowed_environment(os.environ) | ALWAYS | dict(environment),
            start_new_session=True,
        )
        return cls(process)

    async def _follow(self) -> int:
        assert self._process.stdout is not None
        while piece := await self._process.stdout.read(4096):
            self.log.add(piece)
        return await self._process.wait()

    async def ended(self) -> str:
        """Wait for the end; the answer says how it came about."""
        return describe_exit(await asyncio.shield(self._ending))

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.returncode is None

    async def kill(self) -> None:
        """End the process and whatever it started, now."""
        if self.alive:
            # It may have ended just now. The session's leader is the runner, so the group holds
            # its children too.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self.ended()


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with code {code}"
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return "was killed (SIGKILL), as the system does when memory runs out"
    return f"was ended by {name}"
