"""What a server, its runner and who asks them spend of the processor."""

import sys
import time

import psutil
from servers import Server


def seconds(process: psutil.Process) -> float:
    """The CPU that a process has spent; to the nanosecond where Linux tells it."""
    if sys.platform == "linux":
        # The clock of another process, as clock_getcpuclockid(3) makes it of the number.
        return time.clock_gettime((~process.pid << 3) | 2)
    times = process.cpu_times()
    return times.user + times.system


class Spent:
    """The CPU that who asks, the server and its runner have spent."""

    WHO = ("the asking client", "the server", "the runner")

    def __init__(self, server: Server) -> None:
        self._server = psutil.Process(server.process.pid)
        (self._runner,) = [
            one for one in self._server.children() if "puna.engine" in " ".join(one.cmdline())
        ]

    def seconds(self) -> dict[str, float]:
        """Of each, so far."""
        all_three = psutil.Process(), self._server, self._runner
        return {who: seconds(one) for who, one in zip(self.WHO, all_three, strict=True)}
