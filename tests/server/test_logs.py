"""What is logged, where, and in which form."""

import json
import logging
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import structlog

from puna.server.logs import logging_to
from puna.settings import Settings

PROGRAM = """
import logging, sys
from pathlib import Path
import puna.server
import structlog
from structlog.contextvars import bind_contextvars
from puna.events import LibraryLogged
from puna.server.journal import journal
from puna.server.logs import logging_to
from puna.settings import Settings
with logging_to(Path(sys.argv[1]), Settings(log_level=sys.argv[2], log_size="4KiB", log_files=3)):
    log = structlog.get_logger("puna.test")
    for level in ("debug", "info", "warn", "error"):
        journal(LibraryLogged(level, f"said as {level}"))
    bind_contextvars(request="abc")
    log.info("structured", number=1, path=Path("/x"))
    logging.getLogger("uvicorn.error").warning("from %s", "uvicorn")
    logging.getLogger("aiohttp").info("of no interest")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("a bug")
    for number in range(int(sys.argv[3])):
        log.info("many", number=number)
assert "rich" not in sys.modules
"""


def logged(folder: Path, level: str = "info", many: int = 0) -> list[dict[str, Any]]:
    """The lines on the error stream, which is no terminal."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), level, str(many)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_only_what_is_grave_enough_is_logged(tmp_path: Path) -> None:
    events = [line["event"] for line in logged(tmp_path)]
    assert events == ["said as warn", "said as error", "structured", "from uvicorn", "a bug"]
    assert "said as debug" in [line["event"] for line in logged(tmp_path, "debug")]


def test_away_from_a_terminal_each_line_is_json_with_the_requests_id(tmp_path: Path) -> None:
    lines = {line["event"]: line for line in logged(tmp_path)}
    structured = lines["structured"]
    assert structured.pop("timestamp").endswith("Z")
    assert structured == {
        "event": "structured",
        "level": "info",
        "number": 1,
        "path": "/x",
        "request": "abc",
    }
    assert lines["from uvicorn"]["request"] == "abc"
    assert "request" not in lines["said as warn"]
    assert "ZeroDivisionError" in lines["a bug"]["exception"]


def test_files_have_the_same_lines_and_their_size_is_bounded(tmp_path: Path) -> None:
    lines = logged(tmp_path, many=300)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["puna.log", "puna.log.1", "puna.log.2"]
    assert all(file.stat().st_size <= 4096 for file in files)
    newest = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert newest == lines[-len(newest) :]


def test_on_a_terminal_lines_are_for_people(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), "info", "0"], stderr=theirs
    )
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # how Linux tells that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    text = seen.decode()
    assert "structured" in text
    assert '{"' not in text
    assert "ZeroDivisionError" in text


def test_what_was_there_before_is_there_again_afterwards(tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:]
    with logging_to(tmp_path, Settings()):
        assert logging.getLogger().handlers != before
    assert logging.getLogger().handlers == before


def test_a_line_is_written_soon_though_none_follows(tmp_path: Path) -> None:
    with logging_to(tmp_path, Settings()):
        structlog.get_logger("puna.test").info("alone")
        end = time.monotonic() + 60
        while '"alone"' not in (tmp_path / "puna.log").read_text():
            assert time.monotonic() < end
            time.sleep(0.01)
