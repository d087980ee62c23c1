"""Other ways to say the same conversation, for templates that refuse the way it came.

Some know no system role, some want turns to alternate, some can write one tool call at a time.
Each function here is pure and gives back what it got where there is nothing to mend.
"""

from collections.abc import Callable, Sequence

import msgspec

from puna.jobs import Message, TextPart, ToolCall

Messages = tuple[Message, ...]
_GAP = "\n\n"


def with_text_before(message: Message, text: str) -> Message:
    """The message, beginning with another text."""
    first = TextPart(text + _GAP if message.parts else text)
    return msgspec.structs.replace(message, parts=(first, *message.parts))


def gather_system(messages: Messages) -> Messages:
    """One system message, in front, that says what all of them said."""
    system = [each for each in messages if each.role == "system"]
    if not system or (len(system) == 1 and messages[0].role == "system"):
        return messages
    text = _GAP.join(each.text for each in system)
    first = msgspec.structs.replace(system[0], parts=(TextPart(text),))
    return (first, *(each for each in messages if each.role != "system"))


def fold_system(messages: Messages) -> Messages:
    """No system message: what it said begins the first message of a user."""
    gathered = gather_system(messages)
    if not gathered or gathered[0].role != "system":
        return messages
    text = gathered[0].text
    rest = list(gathered[1:])
    for at, each in enumerate(rest):
        if each.role == "user":
            rest[at] = with_text_before(each, text)
            return tuple(rest)
    return (Message(role="user", parts=(TextPart(text),)), *rest)


def merge_turns(messages: Messages) -> Messages:
    """Neighbours of one role, tool results aside, said in one message."""
    merged: list[Message] = []
    for each in messages:
        last = merged[-1] if merged else None
        if last is None or last.role != each.role or each.role == "tool" or last.tool_calls:
            merged.append(each)
            continue
        gap = (TextPart(_GAP),) if last.parts and each.parts else ()
        merged[-1] = msgspec.structs.replace(
            last,
            parts=last.parts + gap + each.parts,
            thinking=_GAP.join(text for text in (last.thinking, each.thinking) if text),
            tool_calls=each.tool_calls,
        )
    return tuple(merged)


def split_calls(messages: Messages) -> Messages:
    """Each tool call in a turn of its own, followed by its own result."""
    split: list[Message] = []
    at = 0
    while at < len(messages):
        turn = messages[at]
        at += 1
        if len(turn.tool_calls) < 2:
            split.append(turn)
            continue
        results: list[Message] = []
        while at < len(messages) and messages[at].role == "tool":
            results.append(messages[at])
            at += 1
        for number, call in enumerate(turn.tool_calls):
            spoken = turn if number == 0 else Message(role="assistant")
            split.append(msgspec.structs.replace(spoken, tool_calls=(call,)))
            own = _result_of(call, number, results)
            if own is not None:
                results.remove(own)
                split.append(own)
        split.extend(results)
    return tuple(split)


def _result_of(call: ToolCall, number: int, results: Sequence[Message]) -> Message | None:
    if call.id:
        return next((each for each in results if each.tool_call_id == call.id), None)
    return results[0] if results else None


def drop_text_beside_calls(messages: Messages) -> Messages:
    """Turns with tool calls say nothing else."""
    return tuple(
        msgspec.structs.replace(each, parts=()) if each.tool_calls and each.parts else each
        for each in messages
    )


def keep_thinking_over_text(messages: Messages) -> Messages:
    """Turns with tool calls say what was thought, or else the text, not both."""
    return tuple(
        msgspec.structs.replace(each, parts=())
        if each.tool_calls and each.thinking and each.parts
        else each
        for each in messages
    )


def renumber_calls(messages: Messages) -> Messages:
    """Every tool call and its result under an id of nine letters and digits, in their order."""
    named: dict[str, str] = {}
    waiting: list[str] = []
    renumbered: list[Message] = []
    count = 0
    for each in messages:
        calls: list[ToolCall] = []
        if each.tool_calls:
            waiting = []
        for call in each.tool_calls:
            count += 1
            new = f"call{count % 100_000:05d}"
            named[call.id] = new
            waiting.append(new)
            calls.append(msgspec.structs.replace(call, id=new))
        own = each.tool_call_id
        if each.role == "tool":
            own = named.get(own, own) if own else (waiting[0] if waiting else own)
            if own in waiting:
                waiting.remove(own)
        renumbered.append(msgspec.structs.replace(each, tool_calls=tuple(calls), tool_call_id=own))
    return tuple(renumbered)


def number_calls(messages: Messages) -> Messages:
    """Ids for calls and results, where any has none."""
    missing = any(
        (each.role == "tool" and not each.tool_call_id)
        or any(not call.id for call in each.tool_calls)
        for each in messages
    )
    return renumber_calls(messages) if missing else messages


# What is tried, one on top of the other, when a template refuses a conversation.
MENDS: tuple[Callable[[Messages], Messages], ...] = (
    gather_system,
    merge_turns,
    renumber_calls,
    keep_thinking_over_text,
    split_calls,
    fold_system,
    merge_turns,
)
