"""What a model brings to every job that asks for it, under what the request itself says.

Its system prompt, messages, parameters and template; and what it can do, so that a request for
anything else is refused before a model is loaded.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from puna.dialects.options import Options
from puna.errors import MissingCapability
from puna.jobs import Message, message
from puna.models.library import Library
from puna.models.model import Model

Think = bool | Literal["low", "medium", "high"] | None


@dataclass(frozen=True)
class Defaults:
    """A model as a request finds it, by the name that it was asked for."""

    name: str
    model: Model
    capabilities: frozenset[str]

    def options(self, asked: Mapping[str, Any]) -> Options:
        """The request's options, over the model's own parameters."""
        return Options(self.model.parameters, asked)

    def system(self, asked: str = "") -> tuple[Message, ...]:
        """The system prompt that is asked for, or else the model's own."""
        text = asked or self.model.system
        return (message("system", text),) if text else ()

    def conversation(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The messages behind the model's own; its system prompt, unless they begin with one."""
        begun = bool(messages) and messages[0].role == "system"
        return (*(() if begun else self.system()), *self.model.messages, *messages)

    def think(self, asked: Think) -> Think:
        """Whether to think: who can, does, unless told otherwise."""
        if "thinking" in self.capabilities:
            return True if asked is None else asked
        if asked is not None and asked is not False:
            self.require("thinking")
        return None

    def require(self, capability: str, called: str = "") -> None:
        """Refuse what the model cannot do, by its name and that of the thing."""
        if capability not in self.capabilities:
            raise MissingCapability(
                f"{self.name!r} does not support {called or capability}.",
                "Choose a model that does: /api/show lists what each can do.",
            )


async def find_defaults(library: Library, name: str) -> Defaults:
    """What the model of this name brings along."""

    def found() -> Defaults:
        model = library.find(name)
        return Defaults(name, model, frozenset(library.capabilities(model)))

    # The first time, files and templates are read, which takes a while.
    return await asyncio.to_thread(found)
