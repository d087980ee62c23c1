"""Every error that a user can meet: what happened, to what, and what to do about it.

Nothing here knows HTTP or the terminal; a dialect maps `kind` to its own status codes.
"""

from typing import ClassVar, Literal

import msgspec

Kind = Literal[
    "bad_request",
    "not_found",
    "forbidden",
    "too_large",
    "busy",
    "timeout",
    "unsupported",
    "failed",
]


class ErrorReport(msgspec.Struct, frozen=True):
    """An error as it travels between processes and into responses."""

    kind: Kind
    name: str
    message: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.mend}".strip()


class PunaError(Exception):
    """What every error of Puna is: a sentence on what happened and a mend."""

    kind: ClassVar[Kind] = "failed"
    mend: str = ""

    def __init__(self, message: str, mend: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if mend is not None:
            self.mend = mend

    def __str__(self) -> str:
        return f"{self.message} {self.mend}".strip()

    def report(self) -> ErrorReport:
        """This error as data that may cross a process border."""
        return ErrorReport(
            kind=self.kind, name=type(self).__name__, message=self.message, mend=self.mend
        )


class ReportedError(PunaError):
    """An error that another process reported; it keeps the kind it had there."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.message, report.mend)
        self._report = report
        self.kind = report.kind  # pyright: ignore[reportAttributeAccessIssue]

    def report(self) -> ErrorReport:
        """The report as it came."""
        return self._report


class BadRequest(PunaError):
    """What was asked for makes no sense; the message names the field."""

    kind = "bad_request"


class ModelNotFound(PunaError):
    """No model has this name."""

    kind = "not_found"


class BadModelFile(PunaError):
    """A model file is broken, hostile, or of a kind that the engine cannot run."""

    kind = "bad_request"


class MissingCapability(PunaError):
    """The model or the engine cannot do what was asked."""

    kind = "unsupported"


class PromptTooLong(PunaError):
    """A prompt does not fit its context; the message has both numbers."""

    kind = "bad_request"

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(
            f"The prompt has {tokens} tokens, the context holds {limit}.",
            "Shorten the prompt or ask for a longer context (num_ctx).",
        )


class TemplateFailed(PunaError):
    """A chat template could not be rendered, or took too long over it."""

    kind = "bad_request"


class BadConstraint(PunaError):
    """A schema, grammar or regex cannot be compiled, or is too large."""

    kind = "bad_request"


class EngineMismatch(PunaError):
    """The engine's library is not the one that the binding was written for."""

    mend = "Install the xllamacpp version that Puna pins, or unset PUNA_ENGINE."


class EngineFailed(PunaError):
    """The engine could not do its arithmetic."""


class LoadFailed(PunaError):
    """A model could not be loaded; the message carries the end of the runner's log."""


class RunnerLost(PunaError):
    """A runner's process ended, or stopped answering."""


class QueueFull(PunaError):
    """Too many jobs are waiting."""

    kind = "busy"
    mend = "Try again in a moment."


class AddressTaken(PunaError):
    """Somebody else listens on the server's address."""


class Cancelled(PunaError):
    """The job was cancelled before it had finished."""
