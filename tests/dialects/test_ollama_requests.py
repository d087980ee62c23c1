"""What a request of Ollama's API means as a job."""

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError

from puna.dialects.ollama.requests import ChatRequest
from puna.errors import BadRequest
from puna.jobs import ChatJob, Constraint, Fit, ImagePart, Limits, Sampling, TextPart, ToolCall


def job(**asked: Any) -> ChatJob:
    return ChatRequest.model_validate_json(json.dumps({"model": "cria", **asked})).job()


def test_what_is_not_said_is_ollamas_default() -> None:
    assert job().sampling == Sampling()
    assert job().limits == Limits()
    assert job().fit == Fit(truncate=True, shift=True)
    assert job().constraint is None
    assert job().logprobs is None


def test_every_job_has_an_id_of_its_own() -> None:
    assert job().id != job().id


def test_options_become_sampling_limits_and_fit() -> None:
    asked = job(
        options={
            "temperature": 0,
            "top_k": 5,
            "seed": -1,
            "stop": "end",
            "num_predict": 7,
            "num_ctx": 512,
            "num_keep": 3,
        },
        truncate=False,
        shift=False,
    )
    assert asked.sampling == Sampling(temperature=0, top_k=5, seed=2**64 - 1)
    assert asked.limits == Limits(max_tokens=7, stop=("end",))
    assert asked.fit == Fit(context=512, truncate=False, shift=False, keep=3)


@pytest.mark.parametrize("endless", [-1, -2])
def test_a_negative_num_predict_is_no_limit(endless: int) -> None:
    assert job(options={"num_predict": endless}).limits.max_tokens is None


def test_a_format_is_a_constraint() -> None:
    schema = {"type": "object"}
    assert job(format="json").constraint == Constraint("json")
    assert job(format=schema).constraint == Constraint("json_schema", '{"type":"object"}')
    assert job(format="").constraint is None


def test_log_probabilities_are_given_only_when_asked_for() -> None:
    assert job(logprobs=True).logprobs == 0
    assert job(logprobs=True, top_logprobs=3).logprobs == 3
    assert job(top_logprobs=3).logprobs is None


def test_a_message_keeps_its_images_thinking_and_calls() -> None:
    (message,) = job(
        messages=[
            {
                "role": "assistant",
                "content": "Look",
                "thinking": "hm",
                "images": [base64.b64encode(b"picture").decode()],
                "tool_calls": [{"function": {"name": "graze", "arguments": {"where": "puna"}}}],
            }
        ]
    ).messages
    assert message.parts == (ImagePart(b"picture"), TextPart("Look"))
    assert message.thinking == "hm"
    assert message.tool_calls == (ToolCall("graze", {"where": "puna"}),)


def test_tools_are_taken_over() -> None:
    function = {"name": "graze", "description": "Eat", "parameters": {"type": "object"}}
    (tool,) = job(tools=[{"type": "function", "function": function}]).tools
    assert (tool.name, tool.description, tool.parameters) == tuple(function.values())


def test_null_is_as_good_as_nothing() -> None:
    message = {"role": "assistant", "content": None, "images": None, "tool_calls": None}
    asked = job(messages=[message], tools=None, options=None, format=None, think=None)
    assert asked.messages[0].parts == ()


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-0.1", "1e9"])
def test_a_value_out_of_its_bounds_is_refused_by_name(value: str) -> None:
    body = f'{{"model": "cria", "options": {{"top_p": {value}}}}}'
    with pytest.raises((BadRequest, ValidationError), match="top_p"):
        ChatRequest.model_validate_json(body).job()
