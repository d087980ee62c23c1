"""Writes events into the log."""

import structlog

from puna.events import Event, JobMoved, LibraryLogged, RunnerMoved

_log = structlog.get_logger("puna")
_LEVELS = {"debug": _log.debug, "info": _log.debug, "warn": _log.warning, "error": _log.error}


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
            _log.debug(f"job {event.phase}", job=event.job)
        case LibraryLogged():
            # The library calls much of what only its authors need information.
            _LEVELS.get(event.level, _log.debug)(event.line.rstrip())
