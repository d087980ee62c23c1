"""People's text through real templates by real vocabularies: not one control token comes of it."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from puna.engine.vocabulary import Vocabulary
from puna.jobs import ChatJob, Message, TextPart, Tool, ToolCall, message
from puna.text.guard import Guard
from puna.text.templates import Template
from puna.text.tokens import Specials

from .test_template_collection import REFUSING, collection

# Kinds that treat special tokens differently, and many names between them.
VOCABULARIES = ("qwen2", "gemma-4", "llama-spm", "phi-3")
# Of a vocabulary that has thousands, so many are as good as all.
MOST = 300


def job(text: str) -> ChatJob:
    """A conversation in which people's text stands wherever it may."""
    parameters = {
        "type": "object",
        "properties": {
            "q": {"type": "string", "description": text, "enum": [text, "b"]},
            text: {"type": "integer", "description": text},
        },
        "required": ["q"],
    }
    call = ToolCall("look_up", {"q": text, "more": [text, {"key": text}]}, "call00001")
    return ChatJob(
        id="1",
        model="m",
        messages=(
            message("system", f"Be {text}"),
            message("user", f"{text} A {text} b"),
            Message(
                "assistant", (TextPart(f"Said {text}"),), f"Thought {text}", tool_calls=(call,)
            ),
            Message(
                "tool",
                (TextPart(f"Result {text}"),),
                tool_name=call.name,
                tool_call_id=call.id,
            ),
        ),
        tools=(Tool("look_up", f"Looks {text}", parameters),),
    )


def plainer(whole: ChatJob) -> ChatJob:
    """The same for a template that knows only two who speak in turns."""
    said = "".join(one.text for one in whole.messages)
    messages = (message("user", said), message("assistant", said), message("user", said))
    return ChatJob(id="1", model="m", messages=messages)


# One takes nothing but texts to be translated, between languages that it asks for.
TEMPLATES = [name for name in collection() if name != "google-translategemma-4b-it"]


@pytest.mark.slow
@pytest.mark.parametrize("name", TEMPLATES)
def test_no_control_token_comes_through_a_real_template(
    name: str, vocabularies: Callable[[str], Vocabulary], llama_source: Path
) -> None:
    source = (llama_source / "models" / "templates" / f"{name}.jinja").read_text()
    in_turns = name in REFUSING

    def controls(template: Template, specials: Specials, text: str) -> list[int]:
        """The control tokens of a prompt."""
        guard = Guard(specials)
        guarded = guard.job(plainer(job(text)) if in_turns else job(text))
        prompt = template.render(guarded.messages, guarded.tools, think=True)
        ours = {one.token for one in specials.all if one.protected and one.kind != "unknown"}
        return [token for token in guard.tokens(prompt) if token in ours]

    with closing(Template(source, bos="", eos="")) as template:
        for specials in map(Specials, map(vocabularies, VOCABULARIES)):
            names = [one.text for one in specials.all if one.protected and one.kind != "unknown"]
            own = controls(template, specials, "wool")
            assert controls(template, specials, " ".join(names[:MOST])) == own
            assert controls(template, specials, "".join(names[:MOST])) == own
