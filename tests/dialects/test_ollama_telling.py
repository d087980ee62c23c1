"""How deltas are told in Ollama's API."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.deltas import (
    Delta,
    DoneDelta,
    FinishDelta,
    ProgressDelta,
    PromptDelta,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from puna.dialects.ollama.forms import ChatForm, GenerateForm
from puna.dialects.ollama.telling import Streamed, Whole

END: list[Delta] = [FinishDelta("stop"), DoneDelta(Usage(output_tokens=1))]


def streamed(*batches: list[Delta], form: type = ChatForm) -> list[dict[str, Any]]:
    renderer = Streamed(form("cria"))
    lines = b"".join(renderer.render(batch) for batch in batches)
    assert lines.endswith(b"\n")
    return [json.loads(line) for line in lines.splitlines()]


def whole(*batches: list[Delta], form: type = ChatForm) -> dict[str, Any]:
    renderer = Whole(form("cria"))
    (answer,) = [piece for batch in batches if (piece := renderer.render(batch))]
    return json.loads(answer)


def test_thinking_has_a_field_of_its_own() -> None:
    deltas: list[Delta] = [ThinkingDelta("hm"), TextDelta("Grass."), *END]
    first, second, _ = streamed(deltas)
    assert first["message"] == {"role": "assistant", "content": "", "thinking": "hm"}
    assert second["message"] == {"role": "assistant", "content": "Grass."}
    assert whole(deltas)["message"] == {
        "role": "assistant",
        "content": "Grass.",
        "thinking": "hm",
    }


def test_a_text_has_its_answer_and_its_thinking_beside_each_other() -> None:
    deltas: list[Delta] = [ThinkingDelta("hm"), TextDelta("Grass."), *END]
    first, second, last = streamed(deltas, form=GenerateForm)
    assert (first["response"], first["thinking"]) == ("", "hm")
    assert second["response"] == "Grass."
    assert last["response"] == ""
    assert not first["done"]
    assert last["done"]
    answer = whole(deltas, form=GenerateForm)
    assert (answer["response"], answer["thinking"]) == ("Grass.", "hm")
    assert "message" not in answer


def calls_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [call["function"] for call in message.get("tool_calls", [])]


def test_a_tool_call_is_given_in_one_piece_once_its_arguments_are_complete() -> None:
    batches: list[list[Delta]] = [
        [ToolCallDelta(0, "graze", '{"wh')],
        [ToolCallDelta(0, "", 'ere": "puna"}')],
        [ToolCallDelta(1, "rest", "{}")],
        [TextDelta("!"), *END],
    ]
    calls = [
        {"index": 0, "name": "graze", "arguments": {"where": "puna"}},
        {"index": 1, "name": "rest", "arguments": {}},
    ]
    lines = streamed(*batches)
    assert [calls_of(line["message"]) for line in lines] == [[calls[0]], [calls[1]], [], []]
    assert calls_of(whole(*batches)["message"]) == calls


def test_every_call_has_an_id_of_its_own() -> None:
    batch: list[Delta] = [ToolCallDelta(0, "go", "{}"), ToolCallDelta(1, "go", "{}"), *END]
    first, second = whole(batch)["message"]["tool_calls"]
    assert re.fullmatch(r"call_[a-z0-9]{8}", first["id"])
    assert first["id"] != second["id"]
    given = whole([ToolCallDelta(0, "go", "{}", "own"), *END])["message"]["tool_calls"]
    assert given[0]["id"] == "own"


@pytest.mark.parametrize("begun", ['{"where": "pu', ""])
def test_a_call_that_is_cut_off_is_no_call(begun: str) -> None:
    end: list[Delta] = [FinishDelta("length"), DoneDelta(Usage())]
    message = whole([ToolCallDelta(0, "graze", begun), *end])["message"]
    assert "tool_calls" not in message
    assert message["content"] == f"graze {begun}"


def test_the_reason_of_the_end_is_ollamas_word_for_it() -> None:
    reasons = {"stop": "stop", "length": "length", "tool_calls": "stop"}
    for reason, word in reasons.items():
        (last,) = streamed([FinishDelta(reason), DoneDelta(Usage())])  # pyright: ignore[reportArgumentType]
        assert last["done_reason"] == word


def test_log_probabilities_keep_the_bytes_of_half_a_character() -> None:
    token = TokenLogprob(7, b"\xc3", -0.5, ((7, b"\xc3", -0.5), (8, b"a", -1.5)))
    deltas: list[Delta] = [TextDelta("é", logprobs=(token,)), *END]
    expected = {
        "token": "�",
        "logprob": -0.5,
        "bytes": [0xC3],
        "top_logprobs": [
            {"token": "�", "logprob": -0.5, "bytes": [0xC3]},
            {"token": "a", "logprob": -1.5, "bytes": [0x61]},
        ],
    }
    assert streamed(deltas)[0]["logprobs"] == [expected]
    assert whole(deltas)["logprobs"] == [expected]


def test_each_log_probability_is_told_once_also_where_a_call_holds_it_back() -> None:
    tokens = [TokenLogprob(number, b"x", -1.0 - number) for number in range(4)]
    deltas: list[Delta] = [
        ToolCallDelta(0, "go", "", logprobs=(tokens[0],)),
        ToolCallDelta(0, "go", "{}", logprobs=(tokens[1],)),
        TextDelta("so", logprobs=(tokens[2],)),
        TextDelta("", logprobs=(tokens[3],)),
        *END,
    ]
    lines = streamed(deltas)
    told = [one["logprob"] for line in lines for one in line.get("logprobs", [])]
    assert told == [-1, -2, -3, -4]
    assert [one["logprob"] for one in whole(deltas)["logprobs"]] == told


def test_durations_are_nanoseconds() -> None:
    usage = Usage(
        5, 2, 9, load_seconds=0.25, prompt_seconds=0.5, output_seconds=1.5, total_seconds=2
    )
    (last,) = streamed([FinishDelta("length"), DoneDelta(usage)])
    figures = {name: value for name, value in last.items() if isinstance(value, int)}
    assert figures == {
        "done": True,
        "total_duration": 2_000_000_000,
        "load_duration": 250_000_000,
        "prompt_eval_count": 5,
        "prompt_eval_duration": 500_000_000,
        "eval_count": 9,
        "eval_duration": 1_500_000_000,
    }


def test_the_context_is_the_prompts_tokens_and_the_answers() -> None:
    deltas: list[Delta] = [
        PromptDelta(3, 0, ids=(1, 2, 3)),
        ThinkingDelta("hm", tokens=(4,)),
        # A job that went on elsewhere tells its prompt once more.
        PromptDelta(3, 3, ids=(1, 2, 3)),
        TextDelta("é", tokens=(5, 6)),
        TextDelta("", tokens=(7,)),
        *END,
    ]
    expected = [1, 2, 3, 4, 5, 6, 7]
    assert whole(deltas, form=GenerateForm)["context"] == expected
    *pieces, last = streamed(deltas, form=GenerateForm)
    assert last["context"] == expected
    assert len(pieces) == 2
    assert not any("context" in piece for piece in pieces)


def test_no_context_is_told_to_one_who_did_not_ask_for_the_prompt() -> None:
    deltas: list[Delta] = [PromptDelta(3, 0), TextDelta("x", tokens=(4,)), *END]
    assert "context" not in whole(deltas, form=GenerateForm)


def test_warnings_are_told_at_the_end() -> None:
    for telling in (Streamed, Whole):
        told = telling(ChatForm("cria"), ("beware",)).render([TextDelta("a"), *END])
        *pieces, last = map(json.loads, told.splitlines())
        assert last["warnings"] == ["beware"]
        assert not any("warnings" in piece for piece in pieces)


TEXTS = st.text(max_size=5)
DELTAS = st.one_of(
    TEXTS.map(TextDelta),
    TEXTS.map(ThinkingDelta),
    st.builds(PromptDelta, st.integers(0, 9), st.integers(0, 9)),
    st.builds(ProgressDelta, st.integers(0, 9), st.integers(0, 9)),
    st.builds(ToolCallDelta, st.integers(0, 2), st.just("go"), st.sampled_from(["{}", '{"a":1}'])),
)


@given(
    st.lists(st.lists(DELTAS, max_size=4), max_size=6), st.sampled_from([ChatForm, GenerateForm])
)
def test_what_is_streamed_joined_is_what_is_not_streamed(
    batches: list[list[Delta]], form: type
) -> None:
    lines = [line.get("message", line) for line in streamed(*batches, END, form=form)]
    answer = whole(*batches, END, form=form)
    message = answer.get("message", answer)
    for field in ("content", "response", "thinking"):
        joined = "".join(line.get(field, "") for line in lines)
        assert joined == message.get(field, "")
    assert [call for line in lines for call in calls_of(line)] == calls_of(message)
