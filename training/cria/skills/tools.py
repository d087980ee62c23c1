"""Calling a tool that the system prompt describes, and answering from what it returned."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from conversation import Conversation, Message, assistant, call, result, system, user
from draw import Draw
from words import SUBJECTS

from skills import plain, values
from skills.toolbox import Tool, made_up, toolbox

NO_TOOL = "Sorry, none of my tools can do that."
_BEFORE = ("", "", "", "", "Please ", "Can you ", "I want to ", "Could you ", "I need to ",
           "Hey, ", "Now ")  # fmt: skip
_SYSTEMS = ("", "", "", "", "You are a helpful assistant.", "You can use tools.",
            "Use the tools when they fit.", "You help people at work.")  # fmt: skip


def _request(draw: Draw, tool: Tool) -> tuple[str, Mapping[str, Any]]:
    arguments = {
        each.name: each.draw_value(draw)
        for each in tool.parameters
        if each.required or draw.chance(0.5)
    }
    told = [
        draw.choice(each.phrases).format(
            key=each.name.replace("_", " ") if draw.chance(0.7) else each.name,
            value=json.dumps(arguments[each.name])
            if isinstance(arguments[each.name], bool)
            else arguments[each.name],
        )
        for each in tool.parameters
        if each.name in arguments
    ]
    ask = draw.choice(tool.asks)
    before = draw.choice(_BEFORE) if ask[0].islower() else ""
    joiner = draw.choice((" ", " ", " ", ", "))
    text = before + " ".join((ask, joiner.join(told))) if told else before + ask
    text = text[0].upper() + text[1:] if draw.chance(0.85) else text
    question = ask.startswith(("What", "How", "Is", "Will", "Do", "Can")) or before.startswith(
        ("Can", "Could")
    )
    end = draw.choice(("?", "?", "")) if question else draw.choice((".", ".", "", " please", "!"))
    return text + end, arguments


def answer_of(returned: object) -> str:
    """The one right way to tell what a tool returned."""
    match returned:
        case {"error": error}:
            return f"The tool failed: {error}."
        case dict():
            parts = [
                f"the {key.replace('_', ' ')} is {_told(value)}" for key, value in returned.items()
            ]
            text = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
            return text[0].upper() + text[1:] + "."
        case list():
            return f"I found: {', '.join(map(_told, returned))}."
        case _:
            return f"The answer is: {_told(returned)}."


def _told(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _returned(draw: Draw) -> object:
    def one() -> object:
        match draw.randrange(6):
            case 0 | 1:
                return values.whole_number(draw)
            case 2:
                return values.decimal(draw)
            case 3:
                return draw.chance(0.5)
            case _:
                return draw.choice(values.STRINGS)(draw)

    match draw.randrange(12):
        case 0:
            return {"error": values.phrase(draw)}
        case 1:
            return values.phrase(draw)
        case 2:
            return one()
        case 3:
            return [values.word(draw) for _ in range(draw.randint(1, 4))]
        case _:
            keys = [
                draw.choice(
                    ("temperature", "status", "result", "price", "total", "condition", "time", "id")
                )
                if draw.chance(0.4)
                else draw.noun("result", SUBJECTS)
                for _ in range(draw.choice((1, 1, 2, 2, 3)))
            ]
            return {key: one() for key in keys}


def conversation(draw: Draw) -> Conversation:
    """Some tools, and one to three requests; the last reply is what evaluation looks at."""
    tools = toolbox(draw)
    thinks = draw.chance(0.2)
    text = draw.choice(_SYSTEMS)
    messages: list[Message] = [system(text)] if text else []
    kind = "call"
    for _ in range(draw.choice((1, 1, 2, 2, 3))):
        if draw.chance(0.2):
            kind = "plain"
            messages += _unfitting(draw, tools, thinks)
            continue
        tool = draw.choice(tools)
        request, arguments = _request(draw, tool)
        thought = f"The tool {tool.name} fits." if thinks else ""
        messages += [user(request), call(tool.name, arguments, thought)]
        kind = "call"
        if draw.chance(0.5):
            returned = _returned(draw)
            raw = (
                returned if isinstance(returned, str) else json.dumps(returned, ensure_ascii=False)
            )
            thought = "The tool has answered." if thinks else ""
            messages += [result(raw), assistant(answer_of(returned), thought)]
            kind = "answer"
    return Conversation(f"tools: {kind}", messages, [tool.schema() for tool in tools])


def _unfitting(draw: Draw, tools: Sequence[Tool], thinks: bool) -> Sequence[Message]:
    thought = "No tool fits." if thinks else ""
    if draw.chance(0.6):
        question, reply = plain.question(draw)
        return [user(question), assistant(reply, thought)]
    while True:
        other = made_up(draw)
        noun = other.asks[0].split()[-1]
        if not any(noun in tool.name.lower() + tool.description.lower() for tool in tools):
            return [user(_request(draw, other)[0]), assistant(NO_TOOL, thought)]
