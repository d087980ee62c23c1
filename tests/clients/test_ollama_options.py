"""The official Python client of Ollama, in both forms: what options, limits and figures do."""

import math
from typing import Any

import httpx
import ollama
import pytest
from ollama import Options

from .asking import GREEDY, STORY, said, user


def test_a_seed_decides_what_is_said(client: ollama.Client) -> None:
    def drawn(seed: int) -> str:
        return said(client, STORY, temperature=1.5, seed=seed, num_predict=20)

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(1, 5)}) > 1


def test_a_stop_ends_the_answer_before_it(client: ollama.Client) -> None:
    whole = said(client, STORY)
    word = whole.split()[4]
    assert said(client, STORY, stop=[word]) == whole[: whole.index(word)]


@pytest.mark.parametrize("most", [1, 7])
def test_so_many_tokens_are_predicted(client: ollama.Client, most: int) -> None:
    options = Options(temperature=0, num_predict=most)
    answer = client.chat("cria", [user(STORY)], think=False, options=options)
    assert (answer.eval_count, answer.done_reason) == (most, "length")


def test_the_likeliest_alone_is_what_no_temperature_gives(client: ollama.Client) -> None:
    assert said(client, STORY, temperature=5, top_k=1) == said(client, STORY)


def test_a_penalty_keeps_words_from_coming_again(client: ollama.Client) -> None:
    def repeated(**penalty: float) -> int:
        words = said(client, STORY, num_predict=60, **penalty).split()
        return len(words) - len(set(words))

    assert repeated(repeat_penalty=5, repeat_last_n=-1) < repeated()
    assert repeated(presence_penalty=20, repeat_last_n=-1) < repeated()


def test_a_short_context_forgets_the_oldest_turns_but_not_the_system_prompt(
    client: ollama.Client, http: httpx.Client
) -> None:
    turns = [user("Hello"), {"role": "assistant", "content": "Hello! How can I help you?"}] * 20
    system = {"role": "system", "content": "You are Zorbo, a friendly robot."}
    asked: dict[str, Any] = {"messages": [system, *turns, user("Who are you?")], "think": False}

    def counted(context: int) -> int:
        options = Options(num_ctx=context, num_predict=1)
        return client.chat("cria", **asked, options=options).prompt_eval_count or 0

    assert counted(100) < 100 < counted(1000)
    shown = http.post(
        "/api/chat",
        json={
            "model": "cria",
            **asked,
            "options": {"num_ctx": 100},
            "_debug_render_only": True,
        },
    ).json()
    prompt = shown["_debug_info"]["rendered_template"]
    assert "You are Zorbo, a friendly robot." in prompt
    assert "Who are you?" in prompt
    assert 0 < prompt.count("How can I help you?") < 20


def test_a_prompt_that_may_not_be_truncated_is_refused_with_both_numbers(
    http: httpx.Client,
) -> None:
    long = "Hello. " * 100
    asked: dict[str, Any] = {"model": "cria", "think": False, "truncate": False, "stream": False}
    for path, prompt in (
        ("/api/chat", {"messages": [user(long)]}),
        ("/api/generate", {"prompt": long}),
        ("/api/generate", {"prompt": long, "raw": True}),
    ):
        wide = {"options": {"num_ctx": 1000, "num_predict": 1}}
        counted = http.post(path, json={**asked, **prompt, **wide}).json()["prompt_eval_count"]
        answer = http.post(path, json={**asked, **prompt, "options": {"num_ctx": 50}})
        assert answer.status_code == 400
        assert f"{counted} tokens" in answer.json()["error"]
        assert "the context holds 50" in answer.json()["error"]


def test_a_context_that_may_not_shift_ends_the_answer(http: httpx.Client) -> None:
    options = {"temperature": 0, "num_ctx": 64, "ignore_eos": True, "num_predict": 100}
    asked = {"model": "cria", "messages": [user("Hello")], "options": options, "stream": False}
    kept = http.post("/api/chat", json={**asked, "shift": False}).json()
    assert kept["done_reason"] == "length"
    assert kept["prompt_eval_count"] + kept["eval_count"] <= 64
    shifted = http.post("/api/chat", json=asked).json()
    assert (shifted["done_reason"], shifted["eval_count"]) == ("length", 100)


def test_log_probabilities_are_those_of_the_answer(client: ollama.Client) -> None:
    answer = client.chat(
        "cria", [user("Hello")], think=False, options=GREEDY, logprobs=True, top_logprobs=3
    )
    assert answer.logprobs
    assert "".join(one.token for one in answer.logprobs) == answer.message.content
    for one in answer.logprobs:
        top = list(one.top_logprobs or [])
        assert len(top) == 3
        assert (top[0].token, top[0].logprob) == (one.token, one.logprob)
        assert sum(math.exp(each.logprob) for each in top) <= 1.0001
    parts = list(
        client.chat(
            "cria", [user("Hello")], think=False, options=GREEDY, logprobs=True, stream=True
        )
    )
    told = [one for part in parts for one in part.logprobs or []]
    assert [(one.token, one.logprob) for one in told] == [
        (one.token, pytest.approx(one.logprob, abs=1e-3)) for one in answer.logprobs
    ]


def test_log_probabilities_of_a_prompts_answer_are_those_of_the_chats(
    client: ollama.Client,
) -> None:
    told: dict[str, Any] = {"think": False, "options": GREEDY, "logprobs": True, "top_logprobs": 2}
    text = client.generate("cria", "Hello", **told)
    chat = client.chat("cria", [user("Hello")], **told)
    assert text.logprobs
    for one, other in zip(text.logprobs, chat.logprobs or [], strict=True):
        assert (one.token, len(one.top_logprobs or [])) == (other.token, 2)
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
    without = client.generate("cria", "Hello", think=False, options=GREEDY)
    assert without.logprobs is None


def test_figures_are_counted_and_measured(client: ollama.Client) -> None:
    answer = client.chat("cria", [user(STORY)], think=False, options=GREEDY)
    assert answer.prompt_eval_count
    assert answer.prompt_eval_count > 10
    assert answer.eval_count
    assert answer.eval_count > 10
    measured = (answer.load_duration, answer.prompt_eval_duration, answer.eval_duration)
    assert all(duration is not None and duration >= 0 for duration in measured)
    assert answer.total_duration
    assert sum(duration or 0 for duration in measured) <= answer.total_duration
