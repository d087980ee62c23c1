"""The short list of formats that a template tells of without showing them.

Some templates only describe in words how the model calls tools, or leave what was thought out of
a history. Each entry is known by a word in the template's source.
"""

from typing import Literal

from puna.text.markup.format import (
    Assignments,
    Calls,
    JsonArguments,
    Markup,
    NamedCall,
    ObjectCall,
    Tags,
)

_HERMES = Calls("<tool_call>\n", "", "\n</tool_call>", ObjectCall())
_GRANITE = Calls("<|tool_call|>[", ", ", "]", ObjectCall())
_LIQUID = Calls(
    "<|tool_call_start|>[", ", ", "]<|tool_call_end|>", NamedCall("", Assignments(quote='"'))
)

# Only for forcing a call or an answer: what an answer says, `harmony.py` reads. The token behind a
# call ends the generation, so it closes nothing.
_HARMONY_NEXT = "<|end|><|start|>"
HARMONY = Markup(
    thinking=True,
    think=Tags("assistant<|channel|>analysis<|message|>", _HARMONY_NEXT),
    text=Tags("assistant<|channel|>final<|message|>", ""),
    calls=Calls(
        "assistant<|channel|>commentary to=functions.",
        "",
        "",
        NamedCall(" <|constrain|>json<|message|>", JsonArguments()),
        said=Tags("assistant<|channel|>commentary<|message|>", _HARMONY_NEXT),
        single=True,
    ),
    lead="assistant",
    named="harmony",
)

_CALLS = (
    ("<|tool_call|>", _GRANITE),
    ("<|tool_call_start|>", _LIQUID),
    ("<|tool_list_start|>", _LIQUID),
    ("List of tools: [", _LIQUID),
    ("<tool_call>", _HERMES),
)
_THINKING = (
    ("</think>", Tags("<think>", "</think>")),
    ("[/THINK]", Tags("[THINK]", "[/THINK]")),
)


def named_format(source: str) -> Literal["", "harmony"]:
    """The name of a format that is more than literals in a text."""
    harmony = ("<|channel|>", "<|message|>", "analysis")
    return "harmony" if all(word in source for word in harmony) else ""


def told_calls(source: str) -> Calls | None:
    """How tools are called, by what the template tells the model."""
    return next((calls for word, calls in _CALLS if word in source), None)


def told_thinking(source: str) -> Tags | None:
    """How thinking is marked, by what the template leaves out of a history."""
    return next((tags for word, tags in _THINKING if word in source), None)


def told_text(source: str) -> Tags | None:
    """What stands around the answer itself, by what the template tells the model."""
    return Tags("<response>", "</response>") if "<response></response>" in source else None
