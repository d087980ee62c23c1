"""What a chat template's source gives away of its model: does it take tools, does it think.

The source is only read, never run: that is for the runner's process.
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
_GO_THINKS = frozenset({"thinking", "think", "thinklevel", "isthinkset"})


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
    """What the template of a Modelfile shows; nothing where it cannot be read."""
    from puna.text.go.faults import Fault
    from puna.text.go.functions import NAMES
    from puna.text.go.parser import parsed

    if len(source) > _LONGEST:
        return Signs()
    try:
        names = parsed(source, NAMES).names
    except Fault:
        return Signs()
    return Signs(
        tools="tools" in names,
        thinking=not _GO_THINKS.isdisjoint(names),
        suffix="suffix" in names,
    )
