"""Learning what stands around thinking and around text: from a plain and a thoughtful answer."""

from typing import NamedTuple

from puna.jobs import ToolCall
from puna.text.markup import words
from puna.text.markup.format import Tags
from puna.text.markup.rehearsal import NAMES, SPOKEN, THOUGHT, Rehearsal, calls_of

_WILLS = (None, True, False)


class Lesson(NamedTuple):
    """What the answers have shown: `header` begins every turn, `plain` is one without thinking."""

    header: str
    plain: str
    think: Tags | None
    text: Tags | None


class _Samples(NamedTuple):
    """Prompts and turns: with text, with thinking and text, with thinking and a call, with a call.

    A turn in which the template did not write what it is a sample of is empty.
    """

    prompts: list[str]
    plain: str
    thought: str
    acted: str
    called: str


def lesson_of(rehearsal: Rehearsal) -> Lesson:
    """What the template shows of thinking and of plain text."""
    samples = _Samples(
        prompts=[prompt for think in _WILLS if (prompt := rehearsal.prompt(think))],
        plain=_seen(SPOKEN, rehearsal, text=SPOKEN),
        thought=_seen(THOUGHT, rehearsal, text=SPOKEN, thinking=THOUGHT),
        acted=_seen(THOUGHT, rehearsal, thinking=THOUGHT, calls=calls_of(1)),
        called=rehearsal.turn(calls=calls_of(1)),
    )
    header = _header(samples)
    closing = samples.thought.partition(THOUGHT)[2].partition(SPOKEN)[0]
    close = _thinking_close(samples, header, closing)
    if len(words.split(close)) > 1 and words.last(close) == words.last(header):
        # What opens every part of an answer belongs to the part that it opens.
        close = close.rstrip().removesuffix(words.last(close)).strip()
        header = header.rstrip().removesuffix(words.last(header))
    think = _thinking(samples, header, close)
    opening = closing.partition(close)[2] if close else ""
    if not opening.strip():
        opening = samples.plain.partition(SPOKEN)[0][len(header) :]
    text = _around_text(rehearsal, samples, opening, think)
    return Lesson(header, samples.plain, think, text)


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


def _header(samples: _Samples) -> str:
    """What every answer begins with: the shortest beginning that any two samples share."""
    turns = [samples.plain, samples.thought or samples.acted, samples.called]
    turns = [turn for turn in turns if turn]
    shared = [words.common_start(prompt, turn) for prompt in samples.prompts for turn in turns]
    if turns:
        shared.append(words.common_start(*turns))
    return min((each for each in shared if each.strip()), key=len, default="")


def _thinking_close(samples: _Samples, header: str, closing: str) -> str:
    """What closes thinking: what follows it before a text as well as before a call."""
    action = samples.acted.partition(THOUGHT)[2].partition(NAMES[0])[0]
    if not closing:
        return next(iter(words.split(action.lstrip())), "")
    close = (words.common_start(closing, action) if action else closing).strip()
    for prompt in samples.prompts:
        # Told not to think, a template opens the answer itself, as it does after thinking.
        answering = _after_header(prompt, header)
        if answering and close != answering:
            close = close.removesuffix(answering).strip()
    return close


def _after_header(prompt: str, header: str) -> str:
    return prompt[len(header) :].strip() if prompt.startswith(header) else ""


def _thinking(samples: _Samples, header: str, close: str) -> Tags | None:
    """What opens thinking, with what closes it."""
    before = (samples.thought or samples.acted).partition(THOUGHT)[0]
    opening = before[len(header) :].strip()
    if not opening:
        # The prompt opens it: with what it writes after the header, or with the header's end.
        written = (_after_header(prompt, header) for prompt in samples.prompts)
        opened = next((each for each in written if each and close not in each), "")
        opening = opened or words.last(header)
    return Tags(opening, close) if opening and close else None


def _around_text(
    rehearsal: Rehearsal, samples: _Samples, opening: str, think: Tags | None
) -> Tags | None:
    """What stands around the text, unless it is the end of every prompt."""
    for tag in (think.open, think.close) if think else ():
        opening = opening.replace(tag, "")
    opening = opening.strip()
    if not opening or rehearsal.prompt().rstrip().endswith(opening):
        return None
    after = samples.plain.partition(SPOKEN)[2]
    with_call = rehearsal.turn(text=SPOKEN, calls=calls_of(1)).partition(SPOKEN)[2]
    if with_call:
        return Tags(opening, words.common_start(after, with_call).strip())
    return Tags(opening, next(iter(words.split(after)), "").strip())
