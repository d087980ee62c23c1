"""What a request of Ollama's API means as a job."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from puna.dialects.defaults import Defaults
from puna.dialects.ollama.requests import (
    ChatRequest,
    EmbeddingsRequest,
    EmbedRequest,
    GenerateRequest,
)
from puna.errors import BadRequest, MissingCapability
from puna.jobs import (
    ChatJob,
    CompleteJob,
    Constraint,
    Fit,
    GenerateJob,
    ImagePart,
    Limits,
    Sampling,
    TextPart,
    ToolCall,
    message,
)
from puna.models.model import Model
from puna.models.names import Name

ALL = ("completion", "tools", "thinking", "vision", "insert")
PICTURE = base64.b64encode(b"picture").decode()
FUNCTION = {"name": "graze", "description": "Eat", "parameters": {"type": "object"}}


def defaults(*capabilities: str, **model: Any) -> Defaults:
    bare = Model(Name("cria"), "0" * 64, (), 0, datetime.now(UTC), **model)
    return Defaults("cria", bare, frozenset(capabilities))


def chat(given: Defaults | None = None, **asked: Any) -> ChatJob:
    request = ChatRequest.model_validate_json(json.dumps({"model": "cria", **asked}))
    given = given or defaults(*ALL)
    return request.job(given, given.options(request.options))


def generate(given: Defaults | None = None, **asked: Any) -> GenerateJob:
    request = GenerateRequest.model_validate_json(json.dumps({"model": "cria", **asked}))
    given = given or defaults(*ALL)
    return request.job(given, given.options(request.options))


def as_chat(given: Defaults | None = None, **asked: Any) -> ChatJob:
    job = generate(given, **asked)
    assert isinstance(job, ChatJob)
    return job


def test_what_is_not_said_is_ollamas_default() -> None:
    for job in (chat(), generate(prompt="Hi"), generate(prompt="Hi", raw=True)):
        assert job.sampling == Sampling()
        assert job.limits == Limits()
        assert job.fit == Fit(truncate=True, shift=True)
        assert job.constraint is None
        assert job.logprobs is None
        assert job.demand.keep_alive is None


def test_every_job_has_an_id_of_its_own() -> None:
    assert chat().id != chat().id


def test_options_become_sampling_limits_and_fit() -> None:
    asked = chat(
        options={"top_k": 5, "seed": 9, "stop": "end", "num_predict": 7, "num_ctx": 512},
        truncate=False,
        shift=False,
    )
    assert asked.sampling == Sampling(top_k=5, seed=9)
    assert asked.limits == Limits(max_tokens=7, stop=("end",))
    assert asked.fit == Fit(context=512, truncate=False, shift=False)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("5m", 300), ("1h30m", 5400), (-1, -1), ("-1", -1), ("0", 0), (2.5, 2.5), (3, 3)],
)
def test_how_long_the_model_is_kept_goes_with_the_job(written: Any, meant: float) -> None:
    assert chat(keep_alive=written, options={"num_thread": 2}).demand.keep_alive == meant
    assert generate(prompt="Hi", keep_alive=written).demand.keep_alive == meant


def test_a_format_is_a_constraint() -> None:
    schema = {"type": "object"}
    assert chat(format="json").constraint == Constraint("json")
    assert chat(format=schema).constraint == Constraint("json_schema", '{"type":"object"}')
    assert chat(format={}).constraint == Constraint("json_schema", "{}")
    assert chat(format="").constraint is None


def test_log_probabilities_are_given_only_when_asked_for() -> None:
    assert chat(logprobs=True).logprobs == 0
    assert chat(logprobs=True, top_logprobs=3).logprobs == 3
    assert chat(top_logprobs=3).logprobs is None


def test_a_message_keeps_its_images_thinking_and_calls() -> None:
    (kept,) = chat(
        messages=[
            {
                "role": "Assistant",
                "content": "Look",
                "thinking": "hm",
                "images": [PICTURE],
                "tool_calls": [{"function": {"name": "graze", "arguments": {"where": "puna"}}}],
            }
        ]
    ).messages
    assert kept.role == "assistant"
    assert kept.parts == (ImagePart(b"picture"), TextPart("Look"))
    assert kept.thinking == "hm"
    assert kept.tool_calls == (ToolCall("graze", {"where": "puna"}),)


def test_tools_are_taken_over() -> None:
    (tool,) = chat(tools=[{"type": "function", "function": FUNCTION}]).tools
    assert (tool.name, tool.description, tool.parameters) == tuple(FUNCTION.values())


def test_null_is_as_good_as_nothing() -> None:
    said = {"role": "assistant", "content": None, "images": None, "tool_calls": None}
    asked = chat(messages=[said], tools=None, options=None, format=None, think=None)
    assert asked.messages[0].parts == ()
    given = dict.fromkeys(("prompt", "suffix", "system", "template", "raw", "context", "images"))
    assert as_chat(**given).messages[-1].parts == ()


def test_an_answer_that_is_begun_is_gone_on_with() -> None:
    begun = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello, "}]
    assert chat(messages=begun).continue_last
    assert not chat(messages=begun[:1]).continue_last


def test_a_models_template_and_messages_are_those_of_the_job() -> None:
    own = defaults(*ALL, template="{{ .Prompt }}", messages=(message("user", "Hello"),))
    assert chat(own).template == "{{ .Prompt }}"
    assert as_chat(own, prompt="Hi", template="> {{ .Prompt }}").template == "> {{ .Prompt }}"
    texts = [one.text for one in as_chat(own, prompt="Hi").messages]
    assert texts == ["Hello", "Hi"]


def test_a_prompt_is_a_conversation_of_one_turn() -> None:
    job = as_chat(prompt="Hi", system="Be brief.", images=[PICTURE], think="low")
    assert [one.role for one in job.messages] == ["system", "user"]
    assert job.messages[1].parts == (ImagePart(b"picture"), TextPart("Hi"))
    assert job.think == "low"
    assert job.tell_prompt


def test_a_context_stands_before_the_prompt_in_place_of_the_models_messages() -> None:
    own = defaults(*ALL, messages=(message("user", "Hello"),), system="I am Zorbo.")
    job = as_chat(own, prompt="Hi", context=[1, 2, 3])
    assert job.before == (1, 2, 3)
    assert [one.text for one in job.messages] == ["I am Zorbo.", "Hi"]


def test_a_raw_prompt_goes_in_as_it_is() -> None:
    job = generate(prompt="<|im_start|>", raw=True, images=[PICTURE])
    assert isinstance(job, CompleteJob)
    assert job.prompt == "<|im_start|>"
    assert job.parse_special
    assert job.images == (b"picture",)
    assert not job.tell_prompt


def test_a_suffix_goes_to_a_template_that_knows_it_and_else_to_the_models_own_tokens() -> None:
    job = generate(prompt="def f(", suffix="return 1")
    assert isinstance(job, CompleteJob)
    assert (job.prompt, job.suffix, job.parse_special) == ("def f(", "return 1", False)
    own = defaults(*ALL, template="<PRE>{{ .Prompt }}<SUF>{{ .Suffix }}<MID>", system="Zorbo")
    assert as_chat(own, prompt="def f(", suffix="return 1").suffix == "return 1"


@pytest.mark.parametrize("with_raw", [{"template": "x"}, {"system": "x"}, {"context": [1]}])
def test_raw_goes_with_nothing_that_would_be_rendered(with_raw: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="template, system, or context"):
        generate(prompt="Hi", raw=True, **with_raw)


@pytest.mark.parametrize(
    ("asked", "capability"),
    [
        ({"tools": [{"function": FUNCTION}]}, "tools"),
        ({"messages": [{"role": "user", "content": "", "images": [PICTURE]}]}, "images"),
        ({"think": True}, "thinking"),
        ({"think": "high"}, "thinking"),
    ],
)
def test_what_a_model_cannot_do_in_a_chat_is_refused(
    asked: dict[str, Any], capability: str
) -> None:
    with pytest.raises(MissingCapability, match=f"'cria' does not support {capability}"):
        chat(defaults("completion"), **asked)


@pytest.mark.parametrize(
    ("asked", "capability"),
    [({"suffix": "x"}, "insert"), ({"images": [PICTURE]}, "images"), ({"think": True}, "thinking")],
)
def test_what_a_model_cannot_do_with_a_prompt_is_refused(
    asked: dict[str, Any], capability: str
) -> None:
    with pytest.raises(MissingCapability, match=f"'cria' does not support {capability}"):
        generate(defaults("completion"), prompt="Hi", **asked)


def test_a_model_that_only_embeds_is_not_asked_to_speak() -> None:
    with pytest.raises(MissingCapability, match="'cria' does not support chat"):
        chat(defaults("embedding"))
    with pytest.raises(MissingCapability, match="'cria' does not support generate"):
        generate(defaults("embedding"), prompt="Hi")


def embed(**asked: Any) -> EmbedRequest:
    return EmbedRequest.model_validate_json(json.dumps({"model": "cria", **asked}))


def test_one_input_or_many_are_embedded() -> None:
    none = defaults().options({})
    assert embed(input="a").job(none).inputs == ("a",)
    assert embed(input=["a", "", "b"]).job(none).inputs == ("a", "", "b")
    for nothing in ("", [], None):
        assert embed(input=nothing).job(none).inputs == ()


def test_vectors_are_of_length_one_and_of_as_many_numbers_as_asked_for() -> None:
    job = embed(input="a", dimensions=8, truncate=False).job(defaults().options({}))
    assert (job.normalise, job.dimensions, job.truncate) == (True, 8, False)
    assert embed(input="a", dimensions=0).job(defaults().options({})).dimensions is None


def test_the_older_form_has_the_vector_as_it_comes() -> None:
    asked = EmbeddingsRequest.model_validate({"model": "cria", "prompt": "a"})
    job = asked.job(defaults().options({}))
    assert (job.inputs, job.normalise) == (("a",), False)


@pytest.mark.parametrize(
    "asked",
    [
        {"model": ""},
        {"think": "much"},
        {"top_logprobs": 21},
        {"format": "yaml"},
        {"keep_alive": "soon"},
        {"keep_alive": True},
        {"keep_alive": "nan"},
        {"messages": [{"role": "llama", "content": ""}]},
        {"messages": [{"role": "user", "content": "", "images": ["!"]}]},
        {"options": [1]},
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(asked: dict[str, Any]) -> None:
    (name,) = asked
    with pytest.raises(ValidationError, match=name):
        ChatRequest.model_validate({"model": "cria", **asked})
