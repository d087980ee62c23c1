"""Writes events into the log."""

import logging

import structlog

from puna.events import Event, JobMoved, LibraryLogged, RunnerMoved, Unheeded

_log = structlog.get_logger("puna")
_threshold = logging.getLogger("puna")
# By name, since a method taken from a logger before it is configured heeds no configuration.
_LEVELS = {"warn": "warning", "error": "error"}


def journal(event: Event) -> None:
    """Log one event at the level that it deserves."""
    match event:
        case RunnerMoved(after="failed"):
            _log.error("runner failed", runner=event.runner, detail=event.detail)
        case RunnerMoved(before="ready" | "busy", after="ready" | "busy"):
            _log.debug(f"runner {event.after}", runner=event.runner)
        case RunnerMoved():
            _log.info(f"runner {event.after}", runner=event.runner)
        case JobMoved():
            # Each job has several, which would all be made to be dropped.
            if _threshold.isEnabledFor(logging.DEBUG):
                _log.debug(f"job {event.phase}", job=event.job)
        case Unheeded():
            _log.warning(event.what)
        case LibraryLogged():
            # The library calls much of what only its authors need information.
            getattr(_log, _LEVELS.get(event.level, "debug"))(event.line.rstrip())
