"""The official Python client of Ollama, in both forms, against a live server: what is said.

The pocket model is asked what it surely knows, or what must hold whatever it says.
"""

import json
import re
from typing import Any

import httpx
import ollama
import pytest
from ollama import Options

from .asking import GREEDY, said, user

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def test_a_greeting_is_returned(client: ollama.Client) -> None:
    answer = client.chat("cria", [user("Hello")], think=False, options=GREEDY)
    assert answer.message.role == "assistant"
    assert answer.message.content == "Hello! How can I help you?"
    assert (answer.done, answer.done_reason, answer.model) == (True, "stop", "cria")


def test_what_was_said_before_is_remembered(client: ollama.Client) -> None:
    answer = client.chat(
        "cria",
        [
            user("My name is Ana."),
            {"role": "assistant", "content": "Nice to meet you, Ana."},
            user("What is my name?"),
        ],
        think=False,
        options=GREEDY,
    )
    assert answer.message.content == "Your name is Ana."


def test_a_system_prompt_is_heeded(client: ollama.Client) -> None:
    system = {"role": "system", "content": "You are Zorbo, a friendly robot."}
    answer = client.chat("cria", [system, user("Who are you?")], think=False, options=GREEDY)
    assert "Zorbo" in (answer.message.content or "")


@pytest.mark.parametrize("think", [True, False])
def test_what_is_streamed_joined_is_what_is_not_streamed(
    client: ollama.Client, think: bool
) -> None:
    asked: dict[str, Any] = {"think": think, "options": GREEDY}
    whole = client.chat("cria", [user("What is 47 + 38?")], **asked)
    parts = list(client.chat("cria", [user("What is 47 + 38?")], stream=True, **asked))
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    thoughts = "".join(part.message.thinking or "" for part in parts)
    assert thoughts == (whole.message.thinking or "")
    assert bool(thoughts) == think
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert (parts[-1].eval_count, parts[-1].prompt_eval_count) == (
        whole.eval_count,
        whole.prompt_eval_count,
    )
    assert len(parts) > 5


def test_a_model_that_thinks_does_so_unless_told_otherwise(client: ollama.Client) -> None:
    asked = [user("What is 47 + 38?")]
    of_itself = client.chat("cria", asked, options=GREEDY).message
    told_to = client.chat("cria", asked, think=True, options=GREEDY).message
    told_not_to = client.chat("cria", asked, think=False, options=GREEDY).message
    assert of_itself.thinking
    assert (of_itself.thinking, of_itself.content) == (told_to.thinking, told_to.content)
    assert told_not_to.thinking is None


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_is_called_and_its_result_is_told(client: ollama.Client, stream: bool) -> None:
    asked = [user("What is the weather in Lima?")]
    given: dict[str, Any] = {"tools": [WEATHER], "think": False, "options": GREEDY}
    if stream:
        parts = list(client.chat("cria", asked, stream=True, **given))
    else:
        parts = [client.chat("cria", asked, **given)]
    calls = [call for part in parts for call in part.message.tool_calls or []]
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("get_weather", {"city": "Lima"})
    ]
    assert not any(part.message.content for part in parts)
    assert parts[-1].done_reason == "stop"

    made = {"role": "assistant", "content": "", "tool_calls": [call.model_dump() for call in calls]}
    result = {"role": "tool", "tool_name": "get_weather", "content": '{"temperature": 21}'}
    told = client.chat("cria", [*asked, made, result], **given)
    assert "21" in (told.message.content or "")


def test_an_answer_that_is_begun_is_gone_on_with(client: ollama.Client) -> None:
    whole = said(client, "Hello")
    begun = " ".join(whole.split()[:2])
    asked = [user("Hello"), {"role": "assistant", "content": begun}]
    rest = client.chat("cria", asked, think=False, options=GREEDY)
    assert begun + (rest.message.content or "") == whole


def test_a_schema_is_kept_to(client: ollama.Client) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    asked = [user("Extract name and age as JSON: Ana is 34 years old.")]
    options = Options(temperature=0, num_predict=100)
    answer = client.chat("cria", asked, format=schema, think=False, options=options)
    found = json.loads(answer.message.content or "")
    assert {name: type(value) for name, value in found.items()} == {"name": str, "age": int}
    # Not asked for, it is kept to all the same.
    mood = {"type": "object", "properties": {"mood": {"enum": ["calm"]}}, "required": ["mood"]}
    hello = client.chat("cria", [user("Hello")], format=mood, think=False, options=options)
    assert json.loads(hello.message.content or "") == {"mood": "calm"}


def test_who_may_call_tools_keeps_to_a_schema_only_in_an_answer(client: ollama.Client) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    options = Options(temperature=0, num_predict=100)
    given: dict[str, Any] = {"format": schema, "think": False, "options": options}
    weather = [user("What is the weather in Lima?")]
    called = client.chat("cria", weather, tools=[WEATHER], **given).message
    assert [call.function.name for call in called.tool_calls or []] == ["get_weather"]
    assert not called.content
    extract = [user("Extract name and age as JSON: Ana is 34 years old.")]
    answered = client.chat("cria", extract, tools=[WEATHER], **given).message
    assert set(json.loads(answered.content or "")) == {"name", "age"}
    assert not answered.tool_calls


def test_any_json_is_json(client: ollama.Client) -> None:
    options = Options(temperature=0, num_predict=200)
    asked = "Extract name and age as JSON: Ana is 34 years old."
    chat = client.chat("cria", [user(asked)], format="json", think=False, options=options)
    assert isinstance(json.loads(chat.message.content or ""), dict)
    text = client.generate("cria", asked, format="json", think=False, options=options)
    assert text.response == chat.message.content
    mood = {"type": "object", "properties": {"mood": {"enum": ["calm"]}}, "required": ["mood"]}
    kept = client.generate("cria", "Hello", format=mood, think=False, options=options)
    assert json.loads(kept.response or "") == {"mood": "calm"}


def test_a_prompt_is_answered_as_a_chat_is(client: ollama.Client) -> None:
    answer = client.generate("cria", "Hello", think=False, options=GREEDY)
    assert answer.response == said(client, "Hello")
    parts = list(client.generate("cria", "Hello", think=False, options=GREEDY, stream=True))
    assert "".join(part.response or "" for part in parts) == answer.response
    assert parts[-1].context == answer.context
    assert not any(part.context for part in parts[:-1])


def test_a_prompts_thinking_has_a_field_of_its_own(client: ollama.Client) -> None:
    answer = client.generate("cria", "What is 47 + 38?", think=True, options=GREEDY)
    chat = client.chat("cria", [user("What is 47 + 38?")], think=True, options=GREEDY)
    assert (answer.thinking, answer.response) == (chat.message.thinking, chat.message.content)


def test_a_context_carries_the_conversation_on(client: ollama.Client) -> None:
    first = client.generate("cria", "My name is Ana.", think=False, options=GREEDY)
    assert first.context
    second = client.generate(
        "cria", "What is my name?", context=first.context, think=False, options=GREEDY
    )
    assert "Ana" in (second.response or "")
    assert list(second.context or [])[: len(first.context)] == list(first.context)


def test_a_raw_prompt_is_what_a_rendered_one_comes_to(
    client: ollama.Client, http: httpx.Client
) -> None:
    asked = {"model": "cria", "prompt": "Hello", "system": "You are Zorbo.", "think": False}
    shown = http.post("/api/generate", json={**asked, "_debug_render_only": True}).json()
    prompt = shown["_debug_info"]["rendered_template"]
    assert "Hello" in prompt
    assert "You are Zorbo." in prompt
    whole = client.generate(**asked, options=GREEDY)
    raw = client.generate("cria", prompt, raw=True, options=GREEDY)
    assert raw.response == whole.response
    assert raw.prompt_eval_count == whole.prompt_eval_count
    assert raw.context is None


def test_a_template_takes_the_place_of_the_models(client: ollama.Client) -> None:
    text = "A fox called Mia lived in the forest."
    raw = client.generate("cria", text, raw=True, options=GREEDY)
    own = client.generate("cria", text, template="{{ .Prompt }}", think=False, options=GREEDY)
    assert own.response == raw.response
    assert own.response != client.generate("cria", text, think=False, options=GREEDY).response


def test_the_middle_is_filled_in(client: ollama.Client, http: httpx.Client) -> None:
    prompt = "A hen called Rosa lived in the barn."
    suffix = " In the evening Rosa went home to the barn."
    options = Options(temperature=0, num_predict=40)
    filled = client.generate("cria", prompt, suffix=suffix, think=False, options=options)
    assert filled.response
    plain = client.generate("cria", prompt, raw=True, options=options)
    assert filled.response != plain.response
    asked = {"model": "cria", "prompt": prompt, "suffix": suffix, "_debug_render_only": True}
    shown = http.post("/api/generate", json=asked).json()["_debug_info"]["rendered_template"]
    assert re.search(rf"<.*fim.*>.*{re.escape(prompt)}.*<.*fim.*>.*{re.escape(suffix)}", shown)
