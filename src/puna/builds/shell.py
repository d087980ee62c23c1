"""Commands that a build consists of: run one by one, everything that they say kept in one log."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from puna.errors import EngineNotBuilt
from puna.runners.process import LEASH

# So many lines of the log are shown when a command fails.
SHOWN = 30
# What people have set for builds of their own would make this one another.
_FOREIGN = ("CC", "CXX", "CFLAGS", "CPPFLAGS", "CXXFLAGS", "LDFLAGS", "PYTHONPATH", "PYTHONHOME")


class Shell:
    """Runs commands that end with this process, in an environment of the build's own."""

    def __init__(self, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._log = log
        self._environment = {
            name: value for name, value in os.environ.items() if name not in _FOREIGN
        } | {"LC_ALL": "C.UTF-8", **(environment or {})}

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        hear: Callable[[str], None] = lambda _: None,
        mend: str = "",
    ) -> None:
        """Run a command to its end; `hear` gets each line as it comes."""
        with self._log.open("a") as log:
            print("$", *command, file=log, flush=True)
            process = subprocess.Popen(
                # Killed, this process takes it along.
                (sys.executable, "-P", str(LEASH), str(os.getpid()), *command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=self._environment | dict(environment or {}),
            )
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    log.write(line)
                    log.flush()
                    hear(line)
                code = process.wait()
            finally:
                process.kill()
                process.wait()
        if code:
            raise EngineNotBuilt(
                f"{Path(command[0]).name} {' '.join(command[1:4])} ended with code {code}.\n"
                f"{self._end()}\nThe whole log is {self._log}.",
                mend,
            )

    def _end(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-SHOWN:])
