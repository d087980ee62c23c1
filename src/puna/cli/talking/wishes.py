"""What is wished of every answer in a talk, as it goes to the server."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from puna.dialects.options import OPTIONS
from puna.errors import BadRequest
from puna.models.parameters import Value, parameter

Message = dict[str, Any]
Think = bool | str | None
LEVELS = ("low", "medium", "high")


@dataclass(slots=True)
class Wishes:
    """The model, and how it is to answer; what is not said is left to the model and the server."""

    model: str
    system: str = ""
    options: dict[str, Value] = field(default_factory=dict[str, Value])
    format: str | dict[str, Any] | None = None
    think: Think = None
    keep_alive: str | None = None
    hide_thinking: bool = False
    wrap: bool = True
    verbose: bool = False

    def of(self, model: str) -> "Wishes":
        """The same of another model."""
        return replace(self, model=model, options=dict(self.options))

    def chat(self, messages: Sequence[Message]) -> Message:
        """The body of a request that goes on with a conversation."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        asked = {"messages": [*system, *messages], "format": self.format, "think": self.think}
        return self.load() | {name: value for name, value in asked.items() if value is not None}

    def load(self) -> Message:
        """The body of a request that only has the model loaded."""
        asked = {"model": self.model, "options": self.options, "keep_alive": self.keep_alive}
        return {name: value for name, value in asked.items() if value is not None}


def option(name: str, texts: Sequence[str]) -> Value:
    """The value of an option as texts say it; several only where it may have several."""
    known = OPTIONS.get(name) or parameter(name)
    if len(texts) != 1 and known.kind != "texts":
        raise BadRequest(f"{name} has one value.")
    values = [known.read(text) for text in texts]
    return known.checked(list(texts)) if known.kind == "texts" else values[0]


def options(given: Sequence[str]) -> dict[str, Value]:
    """Options as a command line has them, `name=value` each; of texts each adds one."""
    collected: dict[str, list[str]] = {}
    for one in given:
        name, found, text = one.partition("=")
        if not found:
            raise BadRequest(f"{one!r} is no option; write it as temperature=0.5.")
        known = OPTIONS.get(name) or parameter(name)
        before = collected.get(name, []) if known.kind == "texts" else []
        collected[name] = [*before, text]
    return {name: option(name, texts) for name, texts in collected.items()}


def thinking(text: str) -> Think:
    """What is wished of thinking, as a word says it."""
    match text.lower():
        case "true":
            return True
        case "false":
            return False
        case level if level in LEVELS:
            return level
        case _:
            raise BadRequest(f"{text!r} is no way to think: true, false, low, medium or high is.")


def described(options: Mapping[str, Value]) -> list[str]:
    """Options as lines in two columns, as a model's own are shown."""
    lines: list[str] = []
    for name, value in sorted(options.items()):
        values = value if isinstance(value, list) else [value]
        lines += [f"{name:<30} {one}" for one in values]
    return lines


def formatted(text: str) -> str | dict[str, Any]:
    """The form of answers that a word says: `json`, or a file with a JSON schema."""
    if text == "json":
        return text
    path = Path(text).expanduser()
    try:
        schema: object = json.loads(path.read_text())
    except OSError as error:
        what = f"The format is 'json' or a file with a JSON schema; {text!r} is neither"
        raise BadRequest(f"{what}: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{path} has no JSON schema in it: {error}.") from None
    if not isinstance(schema, dict):
        raise BadRequest(f"{path} has no JSON schema in it: it is no object.")
    return cast(dict[str, Any], schema)
