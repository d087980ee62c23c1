"""Learning how tool calls are written: what stands around sentinel calls of sentinel tools."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from puna.text.markup import words
from puna.text.markup.format import (
    GAP,
    Assignments,
    Calls,
    Elements,
    JsonArguments,
    NamedCall,
    ObjectCall,
    Parameters,
    Tags,
)
from puna.text.markup.rehearsal import (
    ITEM,
    KEYS,
    NAMES,
    NUMBER,
    SPOKEN,
    Rehearsal,
    calls_of,
    values_of,
)

# Tokens that end a turn with tool calls where another ends a plain one.
_ENDS = ("<|eom_id|>", "<|calls|>", "<|call|>", "<|eot_id|>")


class _Call(NamedTuple):
    """Where one call stands in a turn, and its form."""

    start: int
    end: int
    form: ObjectCall | NamedCall


def learnt_calls(
    rehearsal: Rehearsal, header: str, plain: str, think: Tags | None, text: Tags | None
) -> Calls | None:
    """How the template writes tool calls; None where it does so in a way that is not known."""
    one = rehearsal.turn(calls=calls_of(1))
    first = _call(one, NAMES[0])
    if first is None:
        return None
    form = _with_details(rehearsal, first.form)
    opening = _opening(rehearsal, header, one[: first.start], think, text)
    ending = plain.partition(SPOKEN)[2]
    two = rehearsal.turn(calls=calls_of(2)) if rehearsal.parallel else ""
    left, right = _call(two, NAMES[0]), _call(two, NAMES[1])
    if left is None or right is None:
        return Calls(opening, "", _closing(one[first.end :], ending, header, text), form)
    form = _with_gap(form, right.form)
    between = two[left.end : right.start].replace(NAMES[1], GAP)
    closing = _closing(two[right.end :], ending, header, text)
    return _framed(opening, between, closing, form)


def _framed(opening: str, between: str, closing: str, form: ObjectCall | NamedCall) -> Calls:
    """Calls that each have an opening and a closing of their own need nothing between."""
    own_closing = words.common_start(between, closing)
    rest = between.removeprefix(own_closing)
    if opening.strip() and words.same(rest, opening) and (own_closing.strip() or not closing):
        return Calls(opening, "", own_closing.rstrip(), form)
    if opening.rstrip().endswith("[") and closing.lstrip().startswith("]") and not between.strip():
        # A list that a template writes without commas is one that the model writes with them.
        return Calls(opening, ", ", closing, form)
    # Calls with nothing between them are told apart from calls that each have an opening.
    return Calls(opening, between or "\n", closing, form)


def _opening(
    rehearsal: Rehearsal, header: str, before: str, think: Tags | None, text: Tags | None
) -> str:
    """What opens the calls; seen best after a text, where the template writes one before calls."""
    spoken = rehearsal.turn(text=SPOKEN, calls=calls_of(1))
    call = _call(spoken, NAMES[0]) if SPOKEN in spoken else None
    if call is not None and 0 <= spoken.find(SPOKEN) < call.start:
        after_text = spoken[: call.start].partition(SPOKEN)[2]
        rest = words.without_start(after_text, text.close) if text and text.close else None
        after_text = after_text if rest is None else rest
        # Where the text got a turn of its own, the calls begin in the turn after it.
        after_text = after_text.rpartition(header.strip())[2] if header.strip() else after_text
        return after_text.replace(NAMES[0], GAP)
    opening = before[len(words.common_start(header, before)) :]
    for tag in (think.open, think.close) if think else ():
        opening = opening.replace(tag, "")
    return opening.lstrip().replace(NAMES[0], GAP)


def _closing(after: str, ending: str, header: str, text: Tags | None) -> str:
    """What closes the calls, without what ends the turn."""
    if text and text.close:
        ending = words.without_start(ending, text.close) or ending
    if ending.strip() and ending.strip() in after:
        after = after.partition(ending.strip())[0]
    else:
        for end in (*words.split(header.strip()), *_ENDS):
            after = after.partition(end)[0] if end.startswith("<") else after
    return after.rstrip()


def _call(turn: str, name: str) -> _Call | None:
    """The call of this tool in a turn."""
    arguments = values_of(name)
    first_value = turn.find(next(iter(arguments.values())))
    if first_value < 0:
        return None
    at = turn.rfind(name, 0, first_value)
    for start, value, end in _objects(turn):
        if not start < first_value < end:
            continue
        form = _object_form(value, name, arguments)
        if form is not None:
            return _Call(start, end, form)
        if value == arguments and at >= 0:
            name_close = turn[at + len(name) : start]
            return _Call(at, end, NamedCall(name_close, JsonArguments()))
    return _apart(turn, at, name, arguments) if at >= 0 else None


def _objects(turn: str) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Every JSON object in a turn, the inner ones too, with its borders."""
    decoder = json.JSONDecoder(strict=False)
    at = turn.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(turn, at)
        except ValueError:
            pass
        else:
            yield at, value, end
        at = turn.find("{", at + 1)


def _object_form(value: dict[str, Any], name: str, arguments: dict[str, Any]) -> ObjectCall | None:
    names = [key for key, each in value.items() if each == name]
    held = [key for key, each in value.items() if _is_arguments(each, arguments)]
    return ObjectCall(names[0], held[0]) if names and held else None


def _is_arguments(value: Any, arguments: dict[str, Any]) -> bool:
    if not isinstance(value, str):
        return value == arguments
    try:
        return json.loads(value) == arguments
    except ValueError:
        return False


def _apart(turn: str, at: int, name: str, arguments: dict[str, Any]) -> _Call | None:
    """A call whose arguments are written one by one."""
    pieces: list[str] = []
    place = at + len(name)
    for sentinel in (each for pair in arguments.items() for each in pair):
        found = turn.find(sentinel, place)
        if found < 0:
            return None
        pieces.append(turn[place:found])
        place = found + len(sentinel)
    head, assign, between = pieces[:3]
    if (written := _elements(pieces, list(arguments))) is not None:
        end = place + len(f"{written.leave}{list(arguments)[-1]}{written.close}")
        return _Call(at, end, NamedCall(head.removesuffix(written.open), written))
    if pieces[1::2] != [assign] * 3 or pieces[2::2] != [between] * 2:
        return None
    opening = head.strip()
    if opening in ("(", "{") and assign[:1] in ("=", ":") and "," in between:
        quote = assign[1:].strip()
        close = ")" if opening == "(" else "}"
        end = place + len(quote)
        if turn[end : end + 1] != close:
            return None
        comma = between.removeprefix(assign[1:]).removeprefix(quote)
        form = Assignments(opening, assign[0], close, quote, comma)
        return _Call(at, end + 1, NamedCall("", form))
    key_open = words.common_end(head, between)
    value_close = between.removesuffix(key_open)
    if not key_open.strip() or not value_close.strip() or not assign.strip():
        return None
    form = Parameters(key_open, assign, value_close)
    return _Call(at, place + len(value_close), NamedCall(head.removesuffix(key_open), form))


def _elements(pieces: list[str], keys: list[str]) -> Elements | None:
    """Arguments of which each is closed under its own name."""
    head, assign = pieces[:2]
    behind = {piece.replace(key, GAP) for piece, key in zip(pieces[2::2], keys, strict=False)}
    if len(behind) != 1 or set(pieces[1::2]) != {assign}:
        return None
    leave, named, rest = behind.pop().partition(GAP)
    opening = words.common_end(head, rest)
    if not (named and leave.strip() and assign.strip() and opening.strip()):
        return None
    return Elements(opening, assign, leave, rest.removesuffix(opening))


def _with_other_value(rehearsal: Rehearsal, value: object) -> str:
    """A call's text whose second argument is not a plain word."""
    calls = calls_of(1)
    calls[0].arguments[KEYS[1]] = value
    return rehearsal.turn(calls=calls)


def _with_details(rehearsal: Rehearsal, form: ObjectCall | NamedCall) -> ObjectCall | NamedCall:
    """The form, with what only shows at numbers and at strings that look like markup."""
    match form:
        case NamedCall(name_close, Parameters() as written):
            turn = _with_other_value(rehearsal, NUMBER)
            number = turn.find(str(NUMBER))
            key = turn.rfind(KEYS[1], 0, max(number, 0))
            literal = written.key_close
            if 0 <= key < number:
                literal = words.merged(literal, turn[key + len(KEYS[1]) : number])
            hint = words.filling(literal, written.key_close) if GAP in literal else ""
            cdata = "<![CDATA[" in _with_other_value(rehearsal, "<b>&</b>")
            return NamedCall(
                name_close,
                Parameters(written.key_open, literal, written.value_close, hint, cdata),
            )
        case NamedCall(name_close, Elements() as written):
            turn = _with_other_value(rehearsal, [ITEM])
            opened = turn.rpartition(ITEM)[0].removesuffix(written.assign)
            item = opened.rpartition(written.open)[2]
            return NamedCall(name_close, replace(written, item=item) if item else written)
        case _:
            return form


def _with_gap(
    form: ObjectCall | NamedCall, other: ObjectCall | NamedCall
) -> ObjectCall | NamedCall:
    """The form, with a gap where a second call's name is followed by something else."""
    match form, other:
        case NamedCall(name_close, arguments), NamedCall(other_close, _):
            return NamedCall(words.merged(name_close, other_close), arguments)
        case _:
            return form
