"""What a skill hands to the tokenizer: one conversation, and the text that the template makes of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

Message = Mapping[str, Any]
TEMPLATE = (Path(__file__).parent / "template.jinja").read_text()


@dataclass(frozen=True)
class Conversation:
    """Messages that end with the assistant's; `expect` is what a right last reply must hold."""

    skill: str
    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    expect: str = ""

    @property
    def thinking(self) -> bool:
        """Whether the last reply thinks first."""
        return bool(self.messages[-1].get("reasoning_content"))


def as_json(value: object, **_: object) -> str:
    """Write JSON the way Hugging Face's chat templates do."""
    return json.dumps(value, ensure_ascii=False)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = as_json
    return environment


_template = _environment().from_string(TEMPLATE)


def whole(conversation: Conversation) -> str:
    """The conversation as the model is trained on it."""
    return _template.render(messages=conversation.messages, tools=conversation.tools or None)


def prompt(conversation: Conversation) -> str:
    """The conversation up to where the model has to write its last reply."""
    return _template.render(
        messages=conversation.messages[:-1],
        tools=conversation.tools or None,
        add_generation_prompt=True,
        enable_thinking=conversation.thinking,
    )


def user(text: str) -> Message:
    """One thing that the user says."""
    return {"role": "user", "content": text}


def system(text: str) -> Message:
    """The system prompt."""
    return {"role": "system", "content": text}


def assistant(text: str, thought: str = "") -> Message:
    """One reply in plain words."""
    return {"role": "assistant", "content": text, "reasoning_content": thought}


def call(name: str, arguments: Mapping[str, Any], thought: str = "") -> Message:
    """One reply that calls a tool."""
    return {
        "role": "assistant",
        "content": "",
        "reasoning_content": thought,
        "tool_calls": [
            {"type": "function", "function": {"name": name, "arguments": dict(arguments)}}
        ],
    }


def result(text: str) -> Message:
    """What a tool answered."""
    return {"role": "tool", "content": text}
