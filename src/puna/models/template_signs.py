"""What a chat template's source gives away of its model: does it take tools, does it think.

The source is only split into words, never run: that is for the runner's process.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

_LONGEST = 1 << 17
_TOOLS = frozenset({"tools", "functions"})
# A switch for thinking, or the part of a message that holds it.
_THINKS = re.compile(r"(^|_)(think|thinking|thought|reasoning)(_|$)")
_TAG = re.compile(r"</?think(ing)?>", re.IGNORECASE)
_HARMONY = ("<|channel|>", "<|message|>", "analysis")
# Nothing here looks at a text twice: what is not closed ends with the action or the template.
_GO_ACTION = re.compile(r"\{\{((?:(?!\{\{|\}\}).)*)", re.DOTALL)
_GO_TEXT = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|`[^`]*(?:`|\Z)|/\*(?:(?!\*/).)*(?:\*/|\Z)', re.DOTALL
)
_GO_FIELD = re.compile(r"\.([A-Z]\w*)")


@dataclass(frozen=True, slots=True)
class Signs:
    """What a template shows that it can take or give."""

    tools: bool = False
    thinking: bool = False
    suffix: bool = False


@lru_cache(maxsize=64)
def signs_of_jinja(source: str) -> Signs:
    """What the template in a model's file shows; nothing where it cannot be read."""
    # Only who asks for this needs it, and it takes its time to import.
    from jinja2 import Environment, TemplateSyntaxError

    if len(source) > _LONGEST:
        return Signs()
    try:
        tokens = [(kind, text) for _, kind, text in Environment().lex(source)]
    except TemplateSyntaxError:
        return Signs()
    words = [(kind, text) for kind, text in tokens if kind != "whitespace"]
    attributes, names = set[str](), set[str]()
    for (before_kind, before), (kind, text) in zip([("", ""), *words], words, strict=False):
        if kind == "name":
            (attributes if (before_kind, before) == ("operator", ".") else names).add(text)
        elif kind == "string" and before in ("[", "("):
            attributes.add(text[1:-1])
    written = "".join(text for kind, text in tokens if kind in ("data", "string"))
    return Signs(
        tools=not _TOOLS.isdisjoint(names),
        thinking=any(_THINKS.search(word) for word in names | attributes)
        or _TAG.search(written) is not None
        or all(word in written for word in _HARMONY),
        suffix="suffix" in names,
    )


@lru_cache(maxsize=64)
def signs_of_go(source: str) -> Signs:
    """What the template of a Modelfile shows."""
    if len(source) > _LONGEST:
        return Signs()
    fields = {
        field
        for action in _GO_ACTION.findall(source)
        for field in _GO_FIELD.findall(_GO_TEXT.sub("", action))
    }
    return Signs(
        tools="Tools" in fields,
        thinking=not fields.isdisjoint({"Thinking", "Think", "ThinkLevel", "IsThinkSet"}),
        suffix="Suffix" in fields,
    )
