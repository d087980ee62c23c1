"""Learning a model's markup from its own template: say something through it, and look at it."""

import json
from typing import NamedTuple

from puna.jobs import ToolCall
from puna.text.markup import words
from puna.text.markup.format import Calls, Markup, Tags
from puna.text.markup.known import named_format, told_calls, told_text, told_thinking
from puna.text.markup.learning_calls import learnt_calls
from puna.text.markup.parser import Parser
from puna.text.markup.pieces import CallArguments, CallStart
from puna.text.markup.rehearsal import (
    NAMES,
    SPOKEN,
    THOUGHT,
    TOOLS,
    Rehearsal,
    calls_of,
    values_of,
)
from puna.text.templates import Template

_WILLS = (None, True, False)


def learn(template: Template) -> Markup:
    """What the template shows of its model's markup.

    This renders some twenty small conversations; the result is worth keeping.
    """
    shape = template.shape
    named = named_format(template.source)
    if named:
        return Markup(tools=shape.tools, thinking=True, named=named)
    rehearsal = Rehearsal(template)
    lesson = _lesson(rehearsal)
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


class _Lesson(NamedTuple):
    """What a plain answer and a thoughtful one have shown."""

    header: str
    plain: str
    think: Tags | None
    text: Tags | None


def _lesson(rehearsal: Rehearsal) -> _Lesson:
    prompts = [prompt for think in _WILLS if (prompt := rehearsal.prompt(think))]
    plain = _seen(SPOKEN, rehearsal, text=SPOKEN)
    thought = _seen(THOUGHT, rehearsal, text=SPOKEN, thinking=THOUGHT)
    acted = _seen(THOUGHT, rehearsal, thinking=THOUGHT, calls=calls_of(1))
    called = rehearsal.turn(calls=calls_of(1))
    turns = [turn for turn in (plain, thought or acted, called) if turn]
    shared = [words.common_start(prompt, turn) for prompt in prompts for turn in turns]
    shared += [words.common_start(*turns)] if turns else []
    header = min((each for each in shared if each.strip()), key=len, default="")

    closing = thought.partition(THOUGHT)[2].partition(SPOKEN)[0]
    action = acted.partition(THOUGHT)[2].partition(NAMES[0])[0]
    close = words.common_start(closing, action) if closing and action else closing
    if not closing:
        close = words.split(action.lstrip())[0] if action.strip() else ""
    for prompt in prompts:
        # Told not to think, a template opens the answer itself, as it does after thinking.
        answering = prompt[len(header) :].strip() if prompt.startswith(header) else ""
        if answering and close.strip() != answering:
            close = close.strip().removesuffix(answering)
    if len(words.split(close)) > 1 and words.last(close) == words.last(header):
        # What opens every part of an answer belongs to the part that it opens.
        close = close.rstrip().removesuffix(words.last(close))
        header = header.rstrip().removesuffix(words.last(header))
    opening = (thought or acted).partition(THOUGHT)[0][len(header) :].strip()
    if close.strip() and not opening:
        opening = _opened_by_prompt(prompts, header, close)
    think = Tags(opening, close.strip()) if opening and close.strip() else None

    before = closing.partition(close.strip())[2] if close.strip() else ""
    before = before if before.strip() else plain.partition(SPOKEN)[0][len(header) :]
    for tag in (think.open, think.close) if think else ():
        before = before.replace(tag, "")
    text = None
    if before.strip() and not rehearsal.prompt().rstrip().endswith(before.strip()):
        text = Tags(before.strip(), _text_close(rehearsal, plain).strip())
    return _Lesson(header, plain, think, text)


def _seen(
    sentinel: str,
    rehearsal: Rehearsal,
    *,
    text: str = "",
    thinking: str = "",
    calls: tuple[ToolCall, ...] = (),
) -> str:
    """The turn as it is written by the first will to think that lets the sentinel be seen."""
    for think in _WILLS:
        written = rehearsal.turn(text=text, thinking=thinking, calls=calls, think=think)
        if sentinel in written:
            return written
    return ""


def _opened_by_prompt(prompts: list[str], header: str, close: str) -> str:
    """What opens thinking where it is the prompt that does: what it writes after the header."""
    for prompt in prompts:
        written = prompt[len(header) :].strip() if prompt.startswith(header) else ""
        if written and close.strip() not in written:
            return written
    return words.last(header)


def _text_close(rehearsal: Rehearsal, plain: str) -> str:
    after = plain.partition(SPOKEN)[2]
    with_call = rehearsal.turn(text=SPOKEN, calls=calls_of(1)).partition(SPOKEN)[2]
    return words.common_start(after, with_call) if with_call else words.split(after)[0]


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
