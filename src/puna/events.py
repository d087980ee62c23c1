"""Every event: something that happened, typed. Logs, metrics and dashboards are its readers."""

import msgspec

from puna.errors import ErrorReport


class RunnerMoved(msgspec.Struct, frozen=True, tag="runner_moved"):
    """A runner went from one state to another."""

    runner: str
    before: str
    after: str
    detail: str = ""


class LibraryLogged(msgspec.Struct, frozen=True, tag="library_logged"):
    """The engine's library wrote a log line."""

    level: str
    line: str


class JobMoved(msgspec.Struct, frozen=True, tag="job_moved"):
    """A job entered a phase."""

    job: str
    phase: str
    error: ErrorReport | None = None


class Unheeded(msgspec.Struct, frozen=True, tag="unheeded"):
    """Something that people asked for has no effect here."""

    what: str


Event = RunnerMoved | LibraryLogged | JobMoved | Unheeded
