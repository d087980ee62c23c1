"""From an engine's tokens to Ollama's lines: wherever they are cut, nothing else is said.

The streams in `recorded/` are what the engine put out for real questions, token by token (each
the bytes of one, as Latin-1). Beside them are some that are written by hand, of many bytes.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.text.byte_pieces import Bytes

from puna.deltas import Delta, DoneDelta, FinishReason, PromptDelta, Usage
from puna.dialects.ollama.forms import ChatForm, Form, GenerateForm
from puna.dialects.ollama.telling import Streamed, Whole
from puna.engine.sampling import Drawn
from puna.engine.sequence import Finish
from puna.engine.transcript import Transcript
from puna.jobs import Tool
from puna.text.markup.format import Calls, Markup, ObjectCall, Tags
from puna.text.markup.parser import Parser
from puna.text.stops import Stops
from puna.text.stream import TextStream

RECORDED = json.loads((Path(__file__).parent / "recorded" / "cria.json").read_text())
STREAMS: dict[str, tuple[bool, bytes]] = {
    name: (stream["thinking"], "".join(stream["pieces"]).encode("latin-1"))
    for name, stream in RECORDED.items()
} | {
    "many bytes": (False, "¡qué frío! 🦙 高原 на плато 😶\u200d🌫️ កាន់តែ ½ \ufffd".encode()),
    "many bytes in all places": (
        True,
        'Ко\u0301 高 🦙?\n</think>\n\nSí 🦙\n<tool_call>\n{"name": "look_up", "arguments": '
        '{"текст": "😶\u200d🌫️ \\u00e9 é"}}\n</tool_call>'.encode(),
    ),
    "characters that never become whole": (False, b"\xf0\x9f\xa6 a \xe9\xab \xff\xfe b \xf0\x9f"),
}
TOOLS = tuple(Tool(name) for name in ("get_weather", "set_alarm", "look_up"))
MARKUP = Markup(
    tools=True,
    thinking=True,
    think=Tags("<think>", "</think>"),
    calls=Calls("\n<tool_call>\n", "", "\n</tool_call>", ObjectCall()),
    learnt=True,
)


def told(
    telling: Streamed | Whole,
    tokens: list[bytes],
    steps: list[int],
    stops: list[str],
    *,
    thinking: bool,
    reason: FinishReason,
) -> bytes:
    """What is told of these tokens, so many of which each step brings."""
    vocabulary = Bytes(tokens)
    parser = Parser(MARKUP, tools=TOOLS, begun="thinking" if thinking else "")
    transcript = Transcript(0, vocabulary, TextStream(vocabulary), Stops(stops), parser)
    render = telling.render
    body = render([PromptDelta(1, 0, ids=(-1,))])
    for start, end in pairwise(sorted({0, *steps, len(tokens)})):
        body += render(transcript.push([Drawn(token) for token in range(start, end)]))
        if transcript.finished:
            break
    ending: list[Delta] = [] if transcript.finished else transcript.finish(Finish(reason))
    return body + render([*ending, DoneDelta(Usage())])


def cut(text: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(borders)]


def joined(body: bytes) -> dict[str, Any]:
    lines = [json.loads(line) for line in body.splitlines()]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    said = [line.get("message", line) for line in lines]
    calls = [call["function"] for one in said for call in one.get("tool_calls", [])]
    return {
        "text": "".join(one.get("content", one.get("response")) for one in said),
        "thinking": "".join(one.get("thinking", "") for one in said),
        "calls": calls,
        "reason": lines[-1]["done_reason"],
    }


places = st.lists(st.integers(0, 10_000), max_size=40)


@pytest.mark.parametrize("name", STREAMS)
@given(data=st.data())
@settings(max_examples=40)
def test_what_is_streamed_joined_is_what_is_not_streamed(name: str, data: st.DataObject) -> None:
    thinking, stream = STREAMS[name]
    text = stream.decode(errors="replace")
    starts = data.draw(st.lists(st.integers(0, len(text) - 1), max_size=3))
    stops = [text[start : start + data.draw(st.integers(1, 8))] for start in starts]
    form: Form = data.draw(st.sampled_from([ChatForm("cria"), GenerateForm("cria")]))
    reason: FinishReason = data.draw(st.sampled_from(["stop", "length"]))
    asked: dict[str, Any] = {"stops": stops, "thinking": thinking, "reason": reason}
    whole = joined(told(Whole(form), [stream], [], **asked))

    tokens = cut(stream, data.draw(places))
    steps = [step % len(tokens) for step in data.draw(places)]
    assert joined(told(Streamed(form), tokens, steps, **asked)) == whole
    assert joined(told(Whole(form), tokens, steps, **asked)) == whole


def test_the_streams_have_what_is_to_be_cut() -> None:
    told_of = {
        name: joined(
            told(Whole(ChatForm("cria")), [stream], [], [], thinking=thinking, reason="stop")
        )
        for name, (thinking, stream) in STREAMS.items()
    }
    assert told_of["thinking and a sum"]["thinking"]
    assert told_of["thinking and a sum"]["text"]
    call = {"index": 0, "name": "get_weather", "arguments": {"city": "Lima"}}
    assert told_of["a tool call"]["calls"] == [call]
    assert told_of["many bytes in all places"]["calls"][0]["arguments"] == {"текст": "😶‍🌫️ é é"}
    assert "\ufffd" in told_of["tokens by chance"]["text"]
    assert told_of["many bytes"]["text"] == STREAMS["many bytes"][1].decode()


@pytest.mark.parametrize("name", STREAMS)
def test_one_token_at_a_time_tells_the_context_that_all_at_once_tells(name: str) -> None:
    thinking, stream = STREAMS[name]
    tokens = cut(stream, list(range(len(stream))))
    form = GenerateForm("cria")
    body = told(
        Streamed(form), tokens, list(range(len(tokens))), [], thinking=thinking, reason="stop"
    )
    assert json.loads(body.splitlines()[-1])["context"] == [-1, *range(len(tokens))]
