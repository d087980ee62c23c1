"""What a model may write before what it is held to: free thinking, and literals of its markup.

A constraint is for the answer alone, and a call that is asked for may be thought about as well.
"""

from collections.abc import Iterator

from puna.text.markup.format import Begun, Markup, Tags
from puna.text.markup.lark import Rules, TokenOf

# What stands for the constraint in the grammar around it.
ANSWER = "@answer"
_SPACE = r"/\s{0,8}/"


def answer_grammar(markup: Markup, begun: Begun, *, may_think: bool, token_of: TokenOf) -> str:
    """The grammar around a constraint on the answer; empty where nothing may be around it."""
    if begun == "answer":
        return ""
    rules = Rules(token_of)
    literal = markup.text.open if markup.text else ""
    start = opened(rules, markup, begun, literal, ANSWER, may_think=may_think)
    return "" if start == ANSWER else rules.grammar(start)


def opened(
    rules: Rules,
    markup: Markup,
    begun: Begun,
    literal: str,
    rest: str,
    *,
    may_think: bool,
    said: Tags | None = None,
) -> str:
    """The rest behind the literal that opens it, with what may be thought and said before."""
    begins = _Beginnings(rules, markup.lead, literal, rest, said)
    think = markup.think
    if think is None or begun == "answer":
        return begins.at_once
    if begun == "thought":
        return begins.later
    # Where the prompt begins each part of an answer, nothing stands between the parts.
    space = "" if markup.lead else f"{_SPACE} "
    after = f"{rules.text_up_to(think.close)} {space}({begins.later})"
    if begun == "thinking":
        return after
    if not may_think:
        return begins.at_once
    return f"{begins.at_once} | {rules.literal(_without(think.open, markup.lead))} {after}"


class _Beginnings:
    """How what is wanted begins: right behind the prompt, and later on."""

    def __init__(self, rules: Rules, lead: str, literal: str, rest: str, said: Tags | None) -> None:
        self._rules, self._literal, self._rest, self._said = rules, literal, rest, said
        # What the prompt has written of it already is not to be written again.
        self.at_once = " | ".join(self._all(lead, _without(literal, lead)))
        self.later = " | ".join(self._all("", self._literal.lstrip()))

    def _all(self, lead: str, literal: str) -> Iterator[str]:
        yield self._from(literal)
        if self._said is not None:
            opening = self._rules.literal(_without(self._said.open, lead))
            text = self._rules.text_up_to(self._said.close)
            yield f"{opening} {text} {self._from(self._literal)}"

    def _from(self, literal: str) -> str:
        return f"{self._rules.literal(literal)} {self._rest}".strip()


def _without(literal: str, lead: str) -> str:
    return literal.removeprefix(lead)
