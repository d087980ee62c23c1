"""What a server, its runner and who asks them spend of the processor."""

import psutil
from servers import Server


class Spent:
    """The CPU that who asks, the server and its runner have spent; the runner's loop by itself."""

    WHO = ("the asking client", "the server", "the runner's loop", "the runner")

    def __init__(self, server: Server) -> None:
        self._server = psutil.Process(server.process.pid)
        (self._runner,) = [
            one for one in self._server.children() if "puna.engine" in " ".join(one.cmdline())
        ]

    def seconds(self) -> dict[str, float]:
        """Of each, so far."""
        loop = [one for one in self._runner.threads() if one.id == self._runner.pid]
        threads = sum(one.user_time + one.system_time for one in loop)
        here = _seconds(psutil.Process())
        told = here, _seconds(self._server), threads, _seconds(self._runner)
        return dict(zip(self.WHO, told, strict=True))


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
