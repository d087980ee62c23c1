"""The seam to what runs services on a system: systemd here, launchd there."""

from pathlib import Path
from typing import Literal, Protocol

import msgspec

Scope = Literal["user", "system"]


class State(msgspec.Struct, frozen=True):
    """What has become of a service."""

    installed: bool
    running: bool
    enabled: bool
    process: int | None
    words: str


class Manager(Protocol):
    """What starts Puna, starts it again, and keeps its log."""

    file: Path
    """Where the service is described."""
    settings: Path
    """The file with its settings."""

    @property
    def logs(self) -> str:
        """The command that shows the log."""
        ...

    def written(self) -> str:
        """The description of the service, in the manager's own language."""
        ...

    def install(self) -> None:
        """Start the service, now and whenever the system starts."""
        ...

    def uninstall(self) -> None:
        """End the service and forget it; settings and models stay."""
        ...

    def state(self) -> State:
        """What has become of the service."""
        ...

    def hints(self) -> list[str]:
        """What else is good to know once it is installed."""
        ...
