"""A chat through all floors of the server, with a fake engine at the bottom."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from tests.server.conftest import leave_midway

from puna.events import Event, RunnerMoved


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "cria", "messages": [{"role": "user", "content": text}], **more}


async def chat(client: httpx.AsyncClient, text: str, **more: Any) -> list[dict[str, Any]]:
    answer = await client.post("/api/chat", json=asking(text, **more))
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_an_answer_is_streamed_as_lines_and_the_last_has_the_figures(
    client: httpx.AsyncClient,
) -> None:
    *pieces, last = await chat(client, "echo one two three")
    assert "".join(piece["message"]["content"] for piece in pieces) == "one two three "
    assert not any(piece["done"] for piece in pieces)
    assert last["done"]
    assert last["done_reason"] == "stop"
    assert last["message"] == {"role": "assistant", "content": ""}
    assert (last["prompt_eval_count"], last["eval_count"]) == (3, 3)
    assert last["eval_duration"] == 500_000_000
    assert 0 < last["load_duration"] < last["total_duration"]


async def test_an_answer_that_is_not_streamed_is_one_object(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/chat", json=asking("echo one two three", stream=False))
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    whole = answer.json()
    assert whole["message"] == {"role": "assistant", "content": "one two three "}
    assert whole["done"]
    assert whole["eval_count"] == 3


async def test_json_is_taken_whatever_it_is_said_to_be(client: httpx.AsyncClient) -> None:
    body = json.dumps(asking("echo it", stream=False))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client.post("/api/chat", content=body, headers=headers)
    assert answer.json()["message"]["content"] == "it "


async def test_a_model_is_loaded_once_for_many_who_ask_at_once(
    client: httpx.AsyncClient, events: list[Event]
) -> None:
    answers = await asyncio.gather(*(chat(client, f"echo {number}") for number in range(8)))
    assert [answer[0]["message"]["content"] for answer in answers] == [
        f"{number} " for number in range(8)
    ]
    loads = [event for event in events if isinstance(event, RunnerMoved)]
    assert [event.after for event in loads] == ["loading", "ready"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"model": "guanaco"}, 404, "Model 'guanaco:latest' was not found"),
        ({"model": "../etc/passwd"}, 400, "is not a model's name"),
        ({"messages": [{"role": "llama", "content": ""}]}, 400, "messages.0.role"),
        ({"options": {"temperature": "warm"}}, 400, "temperature is 'warm'"),
        ({"options": {"temperature": -1}}, 400, "temperature is -1"),
        ({"format": "yaml"}, 400, "format"),
        ({"messages": [{"role": "user", "content": "", "images": ["!"]}]}, 400, "base64"),
        ({"messages": [{"role": "user", "content": "sing"}]}, 400, "No sing here."),
        ({"messages": [{"role": "user", "content": "fail"}]}, 500, "arithmetic"),
    ],
)
async def test_an_error_before_the_answer_has_a_status_and_ollamas_shape(
    client: httpx.AsyncClient, stream: bool, asked: dict[str, Any], status: int, words: str
) -> None:
    answer = await client.post("/api/chat", json={**asking("echo"), **asked, "stream": stream})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


async def test_a_body_that_is_no_json_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/chat", content=b"{")
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]


async def test_an_error_in_the_middle_is_the_last_line(client: httpx.AsyncClient) -> None:
    first, last = await chat(client, "fail late")
    assert first["message"]["content"] == "so far"
    assert "arithmetic" in last["error"]


async def test_the_next_job_finds_a_new_runner_when_one_has_died(
    client: httpx.AsyncClient,
) -> None:
    first, *_, last = await chat(client, "die")
    assert first["message"]["content"] == "last words"
    assert "SIGKILL" in last["error"]
    assert (await chat(client, "echo again"))[0]["message"]["content"] == "again "


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_cancels_its_job(
    client: httpx.AsyncClient, stream: bool
) -> None:
    await chat(client, "echo")
    await leave_midway(client, asking("hang", stream=stream))
    cancelled = "0"
    while cancelled == "0":
        cancelled = (await chat(client, "cancelled"))[0]["message"]["content"]
    assert cancelled == "1"


async def test_one_who_does_not_read_holds_up_nobody_and_misses_nothing(
    client: httpx.AsyncClient,
) -> None:
    count = 20_000
    asked = client.build_request("POST", "/api/chat", json=asking(f"flood {count}"))
    unread = await client.send(asked, stream=True)
    for _ in range(10):
        assert (await chat(client, "echo beside"))[0]["message"]["content"] == "beside "
    lines = [json.loads(line) async for line in unread.aiter_lines()]
    text = "".join(line["message"]["content"] for line in lines)
    assert text == "".join(f"{number} " for number in range(count))
    assert lines[-1]["eval_count"] == count


async def test_what_is_loaded_shows_in_ps(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/ps")).json() == {"models": []}
    await chat(client, "echo")
    (running,) = (await client.get("/api/ps")).json()["models"]
    assert running["name"] == "cria:latest"
    # As many tokens as the built-in model was trained on.
    assert running["context_length"] == 2048


async def test_clients_find_out_who_they_talk_to(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).text == "Ollama is running"
    assert (await client.head("/")).status_code == 200
    assert "version" in (await client.get("/api/version")).json()
    (model,) = (await client.get("/api/tags")).json()["models"]
    assert model["name"] == "cria:latest"
    assert len(model["digest"]) == 64
