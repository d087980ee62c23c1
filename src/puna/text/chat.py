"""What every chat template can do, in whatever language it is written."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from puna.jobs import Message, Tool
from puna.text.effort import Think
from puna.text.shapes import Shape

IMAGE_MARKER = "<__media__>"


class ChatTemplate(Protocol):
    """A conversation and its tools as one text."""

    source: str

    @property
    def shape(self) -> Shape:
        """What the template can take."""
        ...

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool] = (),
        *,
        add_generation_prompt: bool = True,
        continue_last: bool = False,
        think: Think = None,
        values: Mapping[str, Any] | None = None,
        image_marker: str = IMAGE_MARKER,
    ) -> str:
        """The prompt's text."""
        ...
