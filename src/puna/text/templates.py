"""Chat templates: a conversation and its tools as the one text that a model was trained on."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from puna.jobs import Message, Tool
from puna.text.chat import IMAGE_MARKER
from puna.text.effort import Think, values_for
from puna.text.markup.known import told_calls
from puna.text.markup.writing import calls_as_text
from puna.text.mending import (
    MENDS,
    Messages,
    drop_text_beside_calls,
    fold_system,
    number_calls,
    split_calls,
)
from puna.text.probing import shape_of
from puna.text.rendering import Bounds, Refused, Rendered, Rendering
from puna.text.shapes import Shape, Writer
from puna.text.unfinished import cut, marked

# For models that bring no template: the form that most learn from.
CHATML = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)


class Template(Rendered):
    """One model's chat template; it owns the process that renders it.

    Calls block for as long as rendering takes, at most `bounds`; they may come from any thread.
    """

    def __init__(
        self,
        source: str = CHATML,
        *,
        bos: str = "",
        eos: str = "",
        bounds: Bounds | None = None,
        shape: Shape | None = None,
    ) -> None:
        super().__init__(source, Rendering(source, bounds))
        self._tokens = {"bos_token": bos, "eos_token": eos}
        self._known_shape = shape

    @property
    def shape(self) -> Shape:
        """How the template wants its messages; found at the first need."""
        return self._shape

    @cached_property
    def _shape(self) -> Shape:
        if self._known_shape is not None:
            return self._known_shape
        return shape_of(self.source, lambda values: self._rendered(values, generation=False))

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
        """The prompt's text.

        With `continue_last` it ends in the middle of the last message, for the model to go on.
        """
        said = self._sayable(messages)
        if continue_last:
            said = marked(said)
        writer = Writer(self.shape, image_marker)
        given = values_for(think, self.variables, self.source) | dict(values or {})
        if tools:
            given["tools"] = writer.tools(tools)
        text = self._mended(said, writer, given, add_generation_prompt and not continue_last)
        return cut(text) if continue_last else text

    def _sayable(self, messages: Sequence[Message]) -> Messages:
        said = number_calls(tuple(messages))
        if not self.shape.system:
            said = fold_system(said)
        told = told_calls(self.source)
        if told and self.shape.tools and not self.shape.calls:
            return calls_as_text(said, told)
        if self.shape.calls and not self.shape.parallel_calls:
            said = split_calls(said)
        if not self.shape.text_beside_calls:
            said = drop_text_beside_calls(said)
        return said

    def _mended(
        self, said: Messages, writer: Writer, given: dict[str, Any], generation: bool
    ) -> str:
        """The text; where the template refuses, of the same said in another way."""
        try:
            return self._rendered(given | {"messages": writer.messages(said)}, generation)
        except Refused as refused:
            for mend in MENDS:
                other = mend(said)
                if other == said:
                    continue
                said = other
                try:
                    return self._rendered(given | {"messages": writer.messages(said)}, generation)
                except Refused:
                    continue
            raise refused

    def _rendered(self, given: dict[str, Any], generation: bool) -> str:
        return self._rendering.render(
            self._tokens | self._extras(given) | given | {"add_generation_prompt": generation}
        )

    def _extras(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What a few templates read under names of their own."""
        extras: dict[str, Any] = {}
        if "functions" in self.variables:
            extras["functions"] = json.dumps(given.get("tools", []), indent=4, ensure_ascii=False)
        if "datetime" in self.variables:
            extras["datetime"] = datetime.now().strftime("%B %d %Y %H:%M:%S")
        return extras
