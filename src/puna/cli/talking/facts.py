"""What must be known of a model to talk with it."""

from dataclasses import dataclass
from typing import Any

from puna.cli.client import Client
from puna.cli.talking.wishes import Message
from puna.errors import MissingCapability


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model can, and the conversation that it begins with."""

    sees: bool
    begun: list[Message]


def facts(client: Client, model: str) -> Facts:
    """The facts of a model that talks; of one that does not, an error."""
    shown: dict[str, Any] = client.post("/api/show", {"model": model})
    capabilities = shown.get("capabilities") or ["completion"]
    if "completion" not in capabilities:
        raise MissingCapability(
            f"{model} does not talk: it is for {' and '.join(capabilities)}.",
            "/api/embed makes vectors with it." if "embedding" in capabilities else "",
        )
    return Facts("vision" in capabilities, shown.get("messages") or [])
