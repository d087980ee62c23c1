"""What the library says is logged at its own level, and not below the one that is asked for."""

import subprocess
import sys

PROGRAM = """
from puna.server import journal
from puna.events import LibraryLogged
from puna.server.serving import configure_log
from puna.settings import Settings
configure_log(Settings(log_level="info"))
for level in ("debug", "info", "warn", "error"):
    journal.journal(LibraryLogged(level, f"said as {level}"))
"""


def test_only_what_is_grave_enough_is_logged() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    written = done.stdout + done.stderr
    assert "said as warn" in written, written
    assert "said as error" in written
    assert "said as debug" not in written
    assert "said as info" not in written
