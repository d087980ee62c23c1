"""Where log lines go: to the terminal to be read, elsewhere as JSON, and into files in the home.

Structured lines and those of other libraries take the same way. They are written by a thread of
their own, so that a slow terminal or disk holds up nobody; if it is stuck, lines are dropped.
"""

import logging
import os
import queue
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

import msgspec
import structlog
from structlog.contextvars import merge_contextvars
from structlog.stdlib import ProcessorFormatter
from structlog.types import Processor

from puna.settings import Settings

UNWRITTEN_LINES = 50_000
# Where a server in the background says what comes before the log and what cannot be logged.
BACKGROUND = "background.log"
SHARED: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


class _Queue(QueueHandler):
    """Hands lines on as they are; the context, of which only the caller knows, goes with them."""

    def prepare(self, record: logging.LogRecord) -> Any:
        """Nothing is made into text yet."""
        vars(record)["context"] = merge_contextvars(None, "", {})
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Wait for nobody."""
        with suppress(queue.Full):
            self.queue.put_nowait(record)


@contextmanager
def logging_to(folder: Path, settings: Settings) -> Generator[None]:
    """Log in this block; files go into the folder."""
    # Files come first: what was seen on a terminal is in them, even when the server is killed.
    outlets = _files(folder, settings)
    # A file beside the log has its lines already, and would grow for ever.
    if not _is(sys.stderr, folder / BACKGROUND):
        outlets.append(_stream())
    lines: queue.Queue[Any] = queue.Queue(UNWRITTEN_LINES)
    listener = QueueListener(lines, *outlets)
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
        handler.setFormatter(_formatter(structlog.dev.ConsoleRenderer(exception_formatter=plain)))
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


def _json() -> ProcessorFormatter:
    renderer = structlog.processors.JSONRenderer(serializer=_encode)
    return _formatter(structlog.processors.format_exc_info, renderer)


def _encode(line: Any, **_: Any) -> str:
    return msgspec.json.encode(line, enc_hook=str).decode()


def _formatter(*processors: Processor) -> ProcessorFormatter:
    return ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[_in_context, ProcessorFormatter.remove_processors_meta, *processors],
    )


def _in_context(_: Any, __: str, line: Any) -> Any:
    return line | line["_record"].context
