"""Every error that a user can meet: what happened, to what, and what to do about it.

Nothing here knows HTTP or the terminal; a dialect maps `kind` to its own status codes.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

Kind = Literal[
    "bad_request",
    "not_found",
    "forbidden",
    "too_large",
    "busy",
    "no_room",
    "timeout",
    "unsupported",
    "failed",
]


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error as it travels between processes and into responses."""

    kind: Kind
    name: str
    message: str
    mend: str = ""
    retry_after: float | None = None

    def __str__(self) -> str:
        return f"{self.message} {self.mend}".strip()


class PunaError(Exception):
    """What every error of Puna is: a sentence on what happened and a mend.

    `retry_after` is in how many seconds it may be worth another try, where that is known.
    """

    kind: ClassVar[Kind] = "failed"
    mend: str = ""
    retry_after: float | None = None

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
            kind=self.kind,
            name=type(self).__name__,
            message=self.message,
            mend=self.mend,
            retry_after=self.retry_after,
        )


class ReportedError(PunaError):
    """An error that another process reported; it keeps the kind it had there."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.message, report.mend)
        self._report = report
        self.retry_after = report.retry_after
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


class JobNotFound(PunaError):
    """No job that is remembered has this id."""

    kind = "not_found"


class BadModelFile(PunaError):
    """A model file is broken, hostile, or of a kind that the engine cannot run."""

    kind = "bad_request"


class StoreDamaged(PunaError):
    """The store of models lacks something, or has something in it that cannot be right."""


class StoreUnwritable(PunaError):
    """The store of models cannot be written to: its disk is full, or it is somebody else's."""


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


class EngineNotBuilt(PunaError):
    """A native engine could not be built; the message carries the end of the build's log."""


class LoadFailed(PunaError):
    """A model could not be loaded; the message carries the end of the runner's log."""


class LoadLost(LoadFailed):
    """A runner's process ended while it loaded its model; another one may fare better."""


class NoRoom(PunaError):
    """A model does not fit the memory there is just now; `needs` has both numbers."""

    kind = "busy"

    def __init__(self, needs: str, mend: str | None = None, model: str = "The model") -> None:
        super().__init__(f"{model} needs {needs}.", mend)
        self.needs = needs


class NeverRoom(NoRoom):
    """A model would not fit if nothing else were on the machine: it is of no use to ask again."""

    kind = "no_room"


class RunnerLost(PunaError):
    """A runner's process ended, or stopped answering."""


class RunnerKeepsDying(PunaError):
    """A model's runners died so often that it is not loaded for a while."""

    kind = "busy"
    mend = "Try again later; if it goes on, try another model or engine."


class QueueFull(PunaError):
    """Too many jobs are waiting."""

    kind = "busy"
    mend = "Try again in a moment."


class TimedOut(PunaError):
    """A job waited or ran longer than it may."""

    kind = "timeout"


class Forbidden(PunaError):
    """This may not be done, or not from there."""

    kind = "forbidden"


class TooLarge(PunaError):
    """What was sent is larger than the server takes."""

    kind = "too_large"


class AddressTaken(PunaError):
    """Somebody else listens on the server's address."""


class HomeTaken(PunaError):
    """Another server uses this home."""


class BadSetting(PunaError):
    """A setting's value makes no sense, or nothing has this name; the message says where."""


class Unreachable(PunaError):
    """No server could be spoken to at an address."""

    mend = "Say with --host where the server is."


class NoServer(Unreachable):
    """Nobody listens at a server's address."""

    mend = "`puna serve` starts one."


class NotStarted(PunaError):
    """A server could not be started in the background; the message carries what it said."""


class Unprotected(PunaError):
    """The server would be open to anybody who can reach the machine."""


class NoServiceManager(PunaError):
    """Nothing that runs services is here, or it cannot be reached."""


class ServiceForbidden(PunaError):
    """This may not be made a service, or not by this user."""

    kind = "forbidden"


class ServiceFailed(PunaError):
    """What runs the system's services could not do what it was asked; the message has its words."""


class Cancelled(PunaError):
    """The job was cancelled before it had finished."""
