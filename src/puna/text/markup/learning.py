"""Learning a model's markup from its own template: say something through it, and look at it."""

import json

from msgspec.structs import replace

from puna.text.chat import ChatTemplate
from puna.text.markup import words
from puna.text.markup.format import Calls, Markup, Tags
from puna.text.markup.known import HARMONY, named_format, told_calls, told_text, told_thinking
from puna.text.markup.learning_answer import lesson_of
from puna.text.markup.learning_calls import learnt_calls
from puna.text.markup.parser import Parser
from puna.text.markup.pieces import CallArguments, CallStart
from puna.text.markup.rehearsal import NAMES, SPOKEN, TOOLS, Rehearsal, calls_of, values_of


def learn(template: ChatTemplate) -> Markup:
    """What the template shows of its model's markup.

    This renders some twenty small conversations; the result is worth keeping.
    """
    shape = template.shape
    if named_format(template.source) == "harmony":
        return replace(HARMONY, tools=shape.tools)
    rehearsal = Rehearsal(template)
    lesson = lesson_of(rehearsal)
    think = lesson.think or told_thinking(template.source)
    text = lesson.text or told_text(template.source)
    calls = None
    if shape.calls:
        calls = learnt_calls(rehearsal, lesson.header, lesson.plain, think, text)
    learnt = calls is not None and _is_read_back(rehearsal, calls)
    if not shape.calls and shape.tools:
        calls = told_calls(template.source)
    elif not learnt:
        calls = None
    return Markup(
        tools=shape.tools and calls is not None,
        thinking=think is not None,
        think=think,
        text=text,
        calls=calls,
        ending=_ending(lesson.plain, text),
        lead=_lead(rehearsal.prompt(), [tag for tag in (calls, text) if tag]),
        learnt=learnt,
    )


def _ending(plain: str, text: Tags | None) -> str:
    """What ends a turn, where it is a tag: nothing else is told from words of the answer."""
    ending = plain.partition(SPOKEN)[2]
    if text and text.close:
        ending = words.without_start(ending, text.close) or ""
    return ending.strip() if ending.strip()[:1] in ("<", "[") else ""


def _lead(prompt: str, opened: list[Calls | Tags]) -> str:
    """What the prompt has written already of the literals that open a part of the answer."""
    ending = prompt.rstrip()
    leads = {
        each.open.strip()[:size]
        for each in opened
        for size in range(1, len(each.open.strip()) + 1)
        if ending.endswith(each.open.strip()[:size])
    }
    return max(leads, key=len, default="")


def _is_read_back(rehearsal: Rehearsal, calls: Calls) -> bool:
    """Whether a parser for these calls finds the sentinels' own in the template's text."""
    turn = rehearsal.turn(calls=calls_of(1))
    first = next((word for word in words.split(calls.open) if not word.isspace()), "{")
    place = turn.rfind(first, 0, turn.find(NAMES[0]))
    while place >= 0:
        if _sentinel_call(turn[place:], calls):
            return True
        place = turn.rfind(first, 0, place)
    return False


def _sentinel_call(text: str, calls: Calls) -> bool:
    parser = Parser(Markup(calls=calls), tools=TOOLS)
    pieces = [*parser.push(text), *parser.finish()]
    names = [piece.name for piece in pieces if isinstance(piece, CallStart)]
    written = "".join(piece.text for piece in pieces if isinstance(piece, CallArguments))
    try:
        return names == [NAMES[0]] and json.loads(written) == values_of(NAMES[0])
    except ValueError:
        return False
