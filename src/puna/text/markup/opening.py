"""What a model may write before what it is held to: free thinking, and literals of its markup.

A constraint is for the answer alone, and a call that is asked for may be thought about as well.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from puna.text.markup.format import Begun, Markup
from puna.text.markup.lark import Rules, TokenOf

# What stands for the constraint in the grammar around it.
ANSWER = "@answer"
_SPACE = r"/\s{0,8}/"


class Way(NamedTuple):
    """One thing that a model may write: the literal that opens it, and what stands behind that."""

    literal: str
    rest: str


def answer_way(markup: Markup) -> Way:
    """The answer that a constraint is for."""
    return Way(markup.text.open if markup.text else "", ANSWER)


def answer_grammar(markup: Markup, begun: Begun, *, may_think: bool, token_of: TokenOf) -> str:
    """The grammar around a constraint on the answer; empty where nothing may be around it."""
    if begun == "answer":
        return ""
    rules = Rules(token_of)
    start = opened(rules, markup, begun, [answer_way(markup)], may_think=may_think)
    return "" if start == ANSWER else rules.grammar(start)


def opened(
    rules: Rules, markup: Markup, begun: Begun, ways: Sequence[Way], *, may_think: bool
) -> str:
    """Any of these ways, with what may be thought before."""
    begun_ways = [_without(way, markup.lead) for way in ways]
    at_once = _any(rules, [*begun_ways, *map(_at_the_margin, begun_ways)])
    later = _any(rules, map(_at_the_margin, ways))
    think = markup.think
    if think is None or begun == "answer":
        return at_once
    if begun == "thought":
        return later
    # Where the prompt begins each part of an answer, nothing stands between the parts.
    space = "" if markup.lead else f"{_SPACE} "
    after = f"{rules.text_up_to(think.close)} {space}({later})"
    if begun == "thinking":
        return after
    if not may_think:
        return at_once
    return f"{at_once} | {rules.literal(think.open.removeprefix(markup.lead))} {after}"


def _any(rules: Rules, ways: Iterable[Way]) -> str:
    written = (f"{rules.literal(way.literal)} {way.rest}".strip() for way in ways)
    return " | ".join(dict.fromkeys(written))


def _without(way: Way, lead: str) -> Way:
    """What the prompt has written of a literal already is not to be written again."""
    return way._replace(literal=way.literal.removeprefix(lead))


def _at_the_margin(way: Way) -> Way:
    """Space before a literal sets it off from a text; a model that says none leaves it out."""
    return way._replace(literal=way.literal.lstrip())
