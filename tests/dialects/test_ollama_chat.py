"""How deltas are written in Ollama's API."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from puna.dialects.ollama.chat import StreamedChat, WholeChat
from puna.jobs import (
    Delta,
    DoneDelta,
    FinishDelta,
    PromptDelta,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

END: list[Delta] = [FinishDelta("stop"), DoneDelta(Usage(output_tokens=1))]


def streamed(*batches: list[Delta]) -> list[dict[str, Any]]:
    renderer = StreamedChat("cria")
    lines = b"".join(renderer.render(batch) for batch in batches)
    return [json.loads(line) for line in lines.splitlines()]


def whole(*batches: list[Delta]) -> dict[str, Any]:
    renderer = WholeChat("cria")
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


def test_a_tool_call_is_given_in_one_piece_once_its_arguments_are_complete() -> None:
    batches: list[list[Delta]] = [
        [ToolCallDelta(0, "graze", '{"wh')],
        [ToolCallDelta(0, "", 'ere": "puna"}')],
        [ToolCallDelta(1, "rest", "")],
        END,
    ]
    calls = [
        {"function": {"name": "graze", "arguments": {"where": "puna"}}},
        {"function": {"name": "rest", "arguments": {}}},
    ]
    lines = streamed(*batches)
    assert [line["message"].get("tool_calls") for line in lines] == [[calls[0]], [calls[1]], None]
    assert whole(*batches)["message"]["tool_calls"] == calls


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


DELTAS = st.one_of(
    st.text().map(TextDelta),
    st.text().map(ThinkingDelta),
    st.builds(PromptDelta, st.integers(0, 9), st.integers(0, 9)),
)


@given(st.lists(st.lists(DELTAS, max_size=4), max_size=6))
def test_what_is_streamed_joined_is_what_is_not_streamed(batches: list[list[Delta]]) -> None:
    lines = streamed(*batches, END)
    message = whole(*batches, END)["message"]
    for field in ("content", "thinking"):
        joined = "".join(line["message"].get(field, "") for line in lines)
        assert joined == message.get(field, "")
