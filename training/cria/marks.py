"""When a reply is right: one rule for each skill."""

import json
import re

from conversation import Conversation
from skills.stories import parsed

_THOUGHT = re.compile(r"^.*?</think>\s*", re.DOTALL)


def spoken(reply: str) -> str:
    """A reply without its thought."""
    return _THOUGHT.sub("", reply).strip()


def is_right(conversation: Conversation, reply: str) -> bool:
    """Whether the reply does what was asked."""
    thinks = "</think>" in reply
    if thinks != conversation.thinking:
        return False
    said = spoken(reply)
    match conversation.skill:
        case "tools: call":
            return _calls(said) == _wanted(conversation)
        case "extracts":
            return _same_json(said, conversation.expect)
        case "tells stories":
            return _keeps_to(conversation, said)
        case "adds, thinking" if "=" not in reply.split("</think>")[0]:
            return False
        case _:
            return said == conversation.messages[-1]["content"]


def schema_of(expected: str) -> str:
    """The JSON schema that an answer with these very fields meets."""
    kinds = {str: "string", int: "integer", float: "number", type(None): "null"}
    record = json.loads(expected)
    return json.dumps(
        {
            "type": "object",
            "properties": {key: {"type": kinds[type(value)]} for key, value in record.items()},
            "required": list(record),
            "additionalProperties": False,
        }
    )


def has_fields(said: str, expected: str) -> bool:
    """Whether it is JSON with the expected fields, whatever their values."""
    try:
        return json.loads(said).keys() == json.loads(expected).keys()
    except (json.JSONDecodeError, AttributeError):
        return False


def _calls(said: str) -> list[object] | None:
    found = re.findall(r"<tool_call>\n(.*?)\n</tool_call>", said, re.DOTALL)
    try:
        return [json.loads(each) for each in found]
    except json.JSONDecodeError:
        return None


def _wanted(conversation: Conversation) -> list[object]:
    return [call["function"] for call in conversation.messages[-1]["tool_calls"]]


def _same_json(said: str, expected: str) -> bool:
    try:
        return json.loads(said) == json.loads(expected)
    except json.JSONDecodeError:
        return False


def _keeps_to(conversation: Conversation, said: str) -> bool:
    good, all_of_them = parsed(said)
    hero = re.search(r"called (\w+)", said)
    last = said.rstrip(".").rsplit(".", 1)[-1]
    wish = conversation.messages[-2]["content"]
    animal = re.search(r"about a (\w+)", wish)
    return bool(
        good >= 0.95 * all_of_them
        and hero
        and animal
        and hero[1] in last
        and animal[1] in said
    )  # fmt: skip
