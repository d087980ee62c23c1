"""Go templates as chat templates: as Ollama renders them, in a process of their own."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from puna.jobs import Message, Tool, message
from puna.text.chat import IMAGE_MARKER
from puna.text.effort import Think
from puna.text.markup import words
from puna.text.probing import shape_of
from puna.text.rendering import Bounds, Rendered, Rendering
from puna.text.shapes import Shape, Writer
from puna.text.unfinished import cut, marked

_NEXT = "PUNANEXT"
_ASKED = message("user", "PUNAASKED")
_ANSWERED = "PUNAANSWERED"
# What Ollama hands over where thinking is wished without a level.
_LEVEL = "medium"


class GoTemplate(Rendered):
    """A template in Go's text/template; it owns the process that renders it.

    Calls block for as long as rendering takes, at most `bounds`; they may come from any thread.
    """

    def __init__(self, source: str, *, bounds: Bounds | None = None) -> None:
        super().__init__(source, Rendering(source, bounds, "go"))

    @property
    def fills_in(self) -> bool:
        """Whether the template knows of a text that follows the answer."""
        return "suffix" in self.variables

    @property
    def shape(self) -> Shape:
        """What the template shows of a conversation; found at the first need."""
        return self._shape

    @cached_property
    def _shape(self) -> Shape:
        found = shape_of("", self._rendering.render)
        return replace(found, thinking_key="thinking")

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
        stand_ins: Mapping[str, str] | None = None,
    ) -> str:
        """The prompt's text; `stand_ins` are characters with those that they stand for.

        Go templates know of no prompt without a place for the answer: without one the text ends
        where the next question's turn would begin.
        """
        writer = Writer(Shape(thinking_key="thinking"), image_marker)
        given: dict[str, Any] = {
            "tools": writer.tools(tools),
            "thinking": self._thinking(think),
            "extra": dict(values or {}),
            "stand_ins": dict(stand_ins or {}),
        }
        if continue_last:
            return cut(self._written(marked(messages), writer, given))
        if add_generation_prompt or not messages:
            return self._written(messages, writer, given)
        return self._closed(messages, writer, given)

    def fill_in(
        self,
        prompt: str,
        suffix: str,
        *,
        think: Think = None,
        values: Mapping[str, Any] | None = None,
        stand_ins: Mapping[str, str] | None = None,
    ) -> str:
        """The prompt for what stands between two texts."""
        return self._rendering.render(
            {
                "prompt": prompt,
                "suffix": suffix,
                "thinking": self._thinking(think),
                "extra": dict(values or {}),
                "stand_ins": dict(stand_ins or {}),
            }
        )

    def _written(
        self, messages: Sequence[Message], writer: Writer, given: Mapping[str, Any]
    ) -> str:
        said = [
            each | {"images": len(one.images)}
            for each, one in zip(writer.messages(messages), messages, strict=True)
        ]
        return self._rendering.render({**given, "messages": said})

    def _thinking(self, think: Think) -> dict[str, Any]:
        """How a wish to think is put; without one, a template that knows thinking is to think."""
        if think is None and "thinking" not in self.variables:
            return {}
        wanted = think is not False
        level = think if isinstance(think, str) else (_LEVEL if wanted else "")
        return {"Think": wanted, "ThinkLevel": level, "IsThinkSet": True}

    def _closed(self, messages: Sequence[Message], writer: Writer, given: dict[str, Any]) -> str:
        """The text up to the end of the last turn.

        Some templates leave a turn open when it is the last, others show only of the last what
        was thought, so both ways are tried and the one that shows more is taken.
        """
        last = messages[-1]
        shown = [last.thinking, last.text, *(call.name for call in last.tool_calls)]
        opened = self._written(messages, writer, given)
        followed = self._written((*messages, message("user", _NEXT)), writer, given)
        before, found, _ = followed.rpartition(_NEXT)
        if not found or sum(each in before for each in shown) < sum(
            each in opened for each in shown
        ):
            return opened
        return before.removesuffix(self._question)

    @cached_property
    def _question(self) -> str:
        """What stands before a question, where it follows an answer."""
        writer = Writer(Shape(), "")
        said = (_ASKED, message("assistant", _ANSWERED), message("user", _NEXT))
        text = self._written(said, writer, {}).partition(_NEXT)[0].rpartition(_ANSWERED)[2]
        first = next(iter(words.split(text)), "")
        return text.removeprefix(first) if first[:1] in ("<", "[") else text
