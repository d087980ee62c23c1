"""Puna as a service of launchd, on macOS: the property list, and what launchctl is asked.

All that is particular to launchd is here; which system this is, `service.py` knows.
"""

import os
import plistlib
import re
import subprocess
import sys
from pathlib import Path

from puna.cli import environment_file
from puna.cli.manager import Scope, State
from puna.configuration import Configuration
from puna.errors import NoServiceManager, ServiceFailed, ServiceForbidden

LABEL = "puna.serve"
ASKING_SECONDS = 120
# Added to the server's own grace: launchd kills what has not ended by then.
ENDING_SECONDS = 30


class Launchd:
    """launchd: the manager of this user's agents."""

    def __init__(self, scope: Scope) -> None:
        if scope == "system":
            raise ServiceForbidden(
                "On macOS, Puna's service belongs to a user.", "Leave out --system."
            )
        self.file = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self.settings = Path.home() / "Library" / "Application Support" / "puna" / "service.env"

    @property
    def logs(self) -> str:
        """The command that shows the log."""
        return f'tail -F "{self._log()}"'

    def written(self) -> str:
        """The property list."""
        return plistlib.dumps(self._described(), sort_keys=False).decode()

    def install(self) -> None:
        """Write the property list, and start the server now and at each login."""
        environment_file.write_template(self.settings, "puna service install")
        # Each by itself: parents that are made on the way are open to others.
        for folder in (self._log().parent.parent, self._log().parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.written())
        # What it has of this name already may be of another version.
        _ask("bootout", self._name)
        _demand("bootstrap", self._domain, str(self.file))

    def uninstall(self) -> None:
        """End the service and forget its list; settings and models stay."""
        _ask("bootout", self._name)
        self.file.unlink(missing_ok=True)

    def state(self) -> State:
        """What has become of the service."""
        done = _ask("print", self._name)
        process = re.search(r"^\s*pid = (\d+)", done.stdout, re.MULTILINE)
        words = re.search(r"^\s*state = (.+)$", done.stdout, re.MULTILINE)
        return State(
            installed=self.file.exists(),
            running=process is not None,
            enabled=done.returncode == 0,
            process=int(process[1]) if process else None,
            words=words[1] if words else "",
        )

    def hints(self) -> list[str]:
        """What else is good to know."""
        return [f"Settings are in {self.settings}; `puna service install` takes them over."]

    @property
    def _domain(self) -> str:
        return f"gui/{os.getuid()}"

    @property
    def _name(self) -> str:
        return f"{self._domain}/{LABEL}"

    def _configuration(self) -> Configuration:
        return Configuration(environment=environment_file.read(self.settings))

    def _log(self) -> Path:
        return self._configuration().settings.home / "logs" / "service.log"

    def _described(self) -> dict[str, object]:
        settings = self._configuration().settings
        return {
            "Label": LABEL,
            "ProgramArguments": [sys.executable, "-m", "puna", "serve"],
            "EnvironmentVariables": environment_file.read(self.settings),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ExitTimeOut": round(settings.grace) + ENDING_SECONDS,
            "SoftResourceLimits": {"NumberOfFiles": 65536},
            # Octal 077: what it writes is its owner's alone.
            "Umask": 0o077,
            "StandardOutPath": str(self._log()),
            "StandardErrorPath": str(self._log()),
        }


def _ask(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ("launchctl", *words), capture_output=True, text=True, timeout=ASKING_SECONDS
        )
    except FileNotFoundError:
        raise NoServiceManager("launchctl is not here.", "Start the server yourself.") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceFailed(f"`launchctl {words[0]}` did not work: {error}.") from None


def _demand(*words: str) -> None:
    done = _ask(*words)
    if done.returncode != 0:
        told = done.stderr.strip() or f"status {done.returncode}"
        raise ServiceFailed(f"`launchctl {words[0]}` failed: {told}.")
