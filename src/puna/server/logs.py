"""Where log lines go: to the terminal to be read, elsewhere as JSON, and into files in the home.

Structured lines and those of other libraries take the same way. They are written by a thread of
their own, so that a slow terminal or disk holds up nobody; if it is stuck, lines are dropped. It
waits a moment for more before it writes, so that it does not get in the way of what it tells of.
"""

import logging
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TextIO

import msgspec
import structlog
from structlog.contextvars import merge_contextvars
from structlog.stdlib import ProcessorFormatter
from structlog.types import Processor

from puna.settings import Settings

UNWRITTEN_LINES = 50_000
GATHERING_SECONDS = 0.05
# Where a server in the background says what comes before the log and what cannot be logged.
BACKGROUND = "background.log"
SHARED: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


class _Queue(QueueHandler):
    """Hands lines on as they are; the context, of which only the caller knows, goes with them."""

    def __init__(self, lines: SimpleQueue[Any]) -> None:
        super().__init__(lines)
        self._lines = lines

    def prepare(self, record: logging.LogRecord) -> Any:
        """Nothing is made into text yet."""
        vars(record)["context"] = merge_contextvars(None, "", {})
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Wait for nobody."""
        if self._lines.qsize() < UNWRITTEN_LINES:
            self._lines.put(record)


class _Listener(QueueListener):
    """Has lines written, those that come soon after one another together."""

    def __init__(self, lines: SimpleQueue[Any], *outlets: logging.Handler) -> None:
        super().__init__(lines, *outlets)
        self._lines = lines
        self._ending = threading.Event()

    def dequeue(self, block: bool) -> Any:
        """The next line; who has to wait for it waits for others, too."""
        with suppress(Empty):
            return self._lines.get_nowait()
        line = self._lines.get()
        self._ending.wait(GATHERING_SECONDS)
        return line

    def stop(self) -> None:
        """Write what there is, and end."""
        self._ending.set()
        super().stop()


class _Formatter(ProcessorFormatter):
    """Makes a line, once for all outlets that write it or ask how long it is."""

    def __init__(self, *processors: Processor) -> None:
        super().__init__(
            foreign_pre_chain=SHARED,
            processors=[_in_context, ProcessorFormatter.remove_processors_meta, *processors],
        )
        self._made: tuple[logging.LogRecord | None, str] = None, ""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if self._made[0] is not record:
            self._made = record, super().format(record)
        return self._made[1]


@contextmanager
def logging_to(folder: Path, settings: Settings) -> Generator[None]:
    """Log in this block; files go into the folder."""
    # Files come first: what was seen on a terminal is in them, even when the server is killed.
    outlets = _files(folder, settings)
    # A file beside the log has its lines already, and would grow for ever.
    if not _is(sys.stderr, folder / BACKGROUND):
        outlets.append(_stream())
    lines = SimpleQueue[Any]()
    listener = _Listener(lines, *outlets)
    root = logging.getLogger()
    before, configured = root.handlers[:], structlog.get_config()
    root.handlers = [_Queue(lines)]
    set_level(settings)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            # Here, since only the thread that an error was raised on knows it.
            structlog.processors.format_exc_info,
            ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    listener.start()
    try:
        yield
    finally:
        root.handlers = before
        structlog.configure(**configured)
        listener.stop()
        for outlet in outlets:
            outlet.close()


def set_level(settings: Settings) -> None:
    """Log what is as grave as asked for; of other libraries only what is worth a warning."""
    logging.getLogger("puna").setLevel(settings.log_level.upper())
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLogger("puna").level))


def _is(stream: TextIO, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), file.stat())
    except (OSError, ValueError):
        return False


def _stream() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    if sys.stderr.isatty():
        plain = structlog.dev.plain_traceback
        handler.setFormatter(_Formatter(structlog.dev.ConsoleRenderer(exception_formatter=plain)))
    else:
        handler.setFormatter(_json())
    return handler


def _files(folder: Path, settings: Settings) -> list[logging.Handler]:
    if not settings.log_files:
        return []
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        folder / "puna.log",
        maxBytes=settings.log_size,
        # The one that is written to is one of them. Without another the size would not be heeded.
        backupCount=max(1, settings.log_files - 1),
        encoding="utf-8",
        errors="backslashreplace",
    )
    handler.setFormatter(_json())
    return [handler]


@cache
def _json() -> _Formatter:
    renderer = structlog.processors.JSONRenderer(serializer=_encode)
    return _Formatter(structlog.processors.format_exc_info, renderer)


def _encode(line: Any, **_: Any) -> str:
    return msgspec.json.encode(line, enc_hook=str).decode()


def _in_context(_: Any, __: str, line: Any) -> Any:
    return line | line["_record"].context
