"""Answers written in every kind of markup, by chance, and what a parser made of them."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from puna.jobs import Tool
from puna.text.markup.format import (
    Assignments,
    Begun,
    Calls,
    JsonArguments,
    Markup,
    NamedCall,
    ObjectCall,
    Parameters,
    Tags,
)
from puna.text.markup.parser import Parser
from puna.text.markup.pieces import CallArguments, CallEnd, CallStart, Piece, Text, Thinking

TOOLS = (
    Tool(
        name="look_up",
        parameters={
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "count": {"type": "integer"},
                "flag": {"type": "boolean"},
                "tree": {"type": "object"},
                "list": {"type": "array"},
            },
        },
    ),
    Tool(name="go", parameters={"type": "object", "properties": {}}),
)
THINK = Tags("<think>", "</think>")


@dataclass(frozen=True)
class Answer:
    """What was said; arguments that were never finished are given as they stand."""

    thinking: str = ""
    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    ended: int = 0


def parsed(
    markup: Markup,
    pieces: Iterable[str],
    *,
    tools: tuple[Tool, ...] = TOOLS,
    begun: Begun = "",
) -> list[Piece]:
    """What the parser makes of these pieces of text, neighbours of one kind joined."""
    parser = Parser(markup, tools=tools, begun=begun)
    found = [piece for text in pieces for piece in parser.push(text)] + parser.finish()
    joined: list[Piece] = []
    for piece in found:
        match joined[-1:], piece:
            case [Text(before)], Text(text):
                joined[-1] = Text(before + text)
            case [Thinking(before)], Thinking(text):
                joined[-1] = Thinking(before + text)
            case [CallArguments(index, before)], CallArguments(same, text) if index == same:
                joined[-1] = CallArguments(index, before + text)
            case _:
                joined.append(piece)
    return joined


def answer_in(pieces: Iterable[Piece]) -> Answer:
    """The pieces as one answer."""
    thinking = text = ""
    ended = 0
    calls: list[list[str]] = []
    for piece in pieces:
        match piece:
            case Thinking(thought):
                thinking += thought
            case Text(spoken):
                text += spoken
            case CallStart(index, name):
                assert index == len(calls)
                calls.append([name, ""])
            case CallArguments(index, arguments):
                calls[index][1] += arguments
            case CallEnd(index):
                ended += 1
                calls[index][1] = json.loads(calls[index][1])
    return Answer(thinking, text, tuple((name, each) for name, each in calls), ended)


@dataclass(frozen=True)
class Kind:
    """A kind of markup, and how a model writes calls in it."""

    markup: Markup
    call: Callable[[str, dict[str, Any]], str]

    def written(self, answer: Answer) -> str:
        """The answer as a model would write it."""
        calls = self.markup.calls
        assert calls is not None
        text = f"<think>\n{answer.thinking}\n</think>\n\n" if answer.thinking else ""
        text += answer.text
        inner = [self.call(name, arguments) for name, arguments in answer.calls]
        if inner and calls.between:
            text += calls.open + calls.between.join(inner) + calls.close
        else:
            text += "".join(calls.open + each + calls.close for each in inner)
        return text


def _object(name: str, arguments: dict[str, Any]) -> str:
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def _object_backwards(name: str, arguments: dict[str, Any]) -> str:
    return json.dumps({"id": "c1", "arguments": arguments, "name": name})


def _named(between: str) -> Callable[[str, dict[str, Any]], str]:
    return lambda name, arguments: name + between + json.dumps(arguments, ensure_ascii=False)


def _bare(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parameters(name: str, arguments: dict[str, Any]) -> str:
    return f"{name}>" + "".join(
        f"\n<parameter={key}>\n{_bare(value)}\n</parameter>" for key, value in arguments.items()
    )


def _hinted(name: str, arguments: dict[str, Any]) -> str:
    return f'{name}">' + "".join(
        f'\n<p name="{key}" string="{str(isinstance(value, str)).lower()}">{_bare(value)}</p>'
        for key, value in arguments.items()
    )


def _keys(name: str, arguments: dict[str, Any]) -> str:
    return name + "".join(
        f"<arg_key>{key}</arg_key><arg_value>{_bare(value)}</arg_value>"
        for key, value in arguments.items()
    )


def _python(name: str, arguments: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def _braces(value: Any) -> str:
    match value:
        case str():
            return f'<|"|>{value}<|"|>'
        case dict():
            inner = ",".join(f'<|"|>{key}<|"|>:{_braces(each)}' for key, each in value.items())
            return "{" + inner + "}"
        case list():
            return "[" + ",".join(map(_braces, value)) + "]"
        case _:
            return json.dumps(value)


def _braced(name: str, arguments: dict[str, Any]) -> str:
    inner = ",".join(f"{key}:{_braces(value)}" for key, value in arguments.items())
    return f"{name}{{{inner}}}"


def _kind(calls: Calls, call: Callable[[str, dict[str, Any]], str]) -> Kind:
    return Kind(Markup(tools=True, thinking=True, think=THINK, calls=calls, learnt=True), call)


_TAGGED = Calls("\n<tool_call>\n", "", "\n</tool_call>", ObjectCall())
KINDS = {
    "an object in tags": _kind(_TAGGED, _object),
    "an object, name last": _kind(_TAGGED, _object_backwards),
    "objects in a list": _kind(Calls("<calls>[", ", ", "]</calls>", ObjectCall()), _object),
    "objects on lines": _kind(Calls("<calls>\n", "\n", "\n</calls>", ObjectCall()), _object),
    "a list that nothing closes": _kind(Calls("[CALLS][", ", ", "]", ObjectCall()), _object),
    "the name apart": _kind(
        Calls(
            "<|calls|><|call|>",
            "<|end|>\n<|call|>",
            "<|end|><|/calls|>",
            NamedCall("<|sep|>", JsonArguments()),
        ),
        _named("<|sep|>"),
    ),
    "the name apart, nothing closes": _kind(
        Calls("[CALL]", "", "", NamedCall("[ID]\0[ARGS]", JsonArguments())), _named("[ID]a1[ARGS]")
    ),
    "parameters": _kind(
        Calls(
            "\n<tool_call>\n<function=",
            "",
            "\n</function>\n</tool_call>",
            NamedCall(">", Parameters("\n<parameter=", ">\n", "\n</parameter>")),
        ),
        _parameters,
    ),
    "parameters with their kind": _kind(
        Calls(
            '<calls>\n<invoke name="',
            '\n</invoke>\n<invoke name="',
            "\n</invoke>\n</calls>",
            NamedCall('">', Parameters('\n<p name="', '" string="\0">', "</p>", "true")),
        ),
        _hinted,
    ),
    "keys and values": _kind(
        Calls(
            "<tool_call>",
            "",
            "</tool_call>",
            NamedCall("", Parameters("<arg_key>", "</arg_key><arg_value>", "</arg_value>")),
        ),
        _keys,
    ),
    "Python": _kind(Calls("<|start|>[", ", ", "]<|end|>", NamedCall("", Assignments())), _python),
    "braces": _kind(
        Calls(
            "<|call>call:", "", "<call|>", NamedCall("", Assignments("{", ":", "}", '<|"|>', ","))
        ),
        _braced,
    ),
}

# Text without lone surrogates, which no model can write, and without what markup is made of.
words = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="<>[]|\0"), max_size=20
)
spoken = words.map(str.strip)
leaves = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | words
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
arguments = st.fixed_dictionaries(
    {},
    optional={
        "text": words,
        "count": st.integers(-1000, 1000),
        "flag": st.booleans(),
        "tree": st.dictionaries(words, trees, max_size=3),
        "list": st.lists(trees, max_size=3),
    },
)
calls = st.tuples(st.just("look_up"), arguments) | st.just(("go", {}))
answers = st.builds(
    lambda thinking, text, made: Answer(thinking, text, tuple(made), len(made)),
    spoken,
    spoken,
    st.lists(calls, max_size=3),
)
cuts = st.lists(st.integers(0, 400), max_size=12)


def cut(text: str, places: list[int]) -> list[str]:
    """The text in pieces, cut at these places."""
    borders = [0, *sorted({place for place in places if place < len(text)}), len(text)]
    return [text[start:end] for start, end in pairwise(borders)]
