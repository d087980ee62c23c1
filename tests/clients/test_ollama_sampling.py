"""Every way to draw tokens, through Ollama's client: what each option does to an answer."""

from typing import Any

import ollama
import pytest

from .asking import STORY, said, user

SEEDS = range(1, 5)


@pytest.fixture
def client(address: str) -> ollama.Client:
    return ollama.Client(address)


def drawn(client: ollama.Client, **options: Any) -> list[str]:
    """What is said with one seed and another, if not told otherwise as freely as can be."""
    free = {"temperature": 3, "top_k": 0, "top_p": 1, "num_predict": 16}
    return [said(client, STORY, **{**free, **options, "seed": seed}) for seed in SEEDS]


def likeliest(client: ollama.Client, **options: Any) -> str:
    return said(client, STORY, num_predict=16, **options)


def test_the_temperature_says_how_freely(client: ollama.Client) -> None:
    assert drawn(client, temperature=0) == [likeliest(client)] * len(SEEDS)
    assert len(set(drawn(client))) == len(SEEDS)
    assert drawn(client) == drawn(client)


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 1},
        {"top_p": 0},
        {"min_p": 1},
        # A surprise of 0 is that of what is certain, so nothing but the likeliest is left.
        {"mirostat": 1, "mirostat_tau": 0},
        {"mirostat": 2, "mirostat_tau": 0},
    ],
    ids=str,
)
def test_a_bound_may_leave_the_likeliest_alone(
    client: ollama.Client, options: dict[str, Any]
) -> None:
    assert drawn(client, **options) == [likeliest(client)] * len(SEEDS)


def test_the_most_typical_alone_leaves_nothing_to_chance(client: ollama.Client) -> None:
    assert len(set(drawn(client, typical_p=0))) == 1


@pytest.mark.parametrize("mirostat", [1, 2])
def test_the_wanted_surprise_and_the_pace_to_it_count(client: ollama.Client, mirostat: int) -> None:
    usual = drawn(client, mirostat=mirostat, mirostat_tau=3)
    assert usual == drawn(client, mirostat=mirostat, mirostat_tau=3, mirostat_eta=0.1)
    assert usual != drawn(client, mirostat=mirostat, mirostat_tau=6)
    assert usual != drawn(client, mirostat=mirostat, mirostat_tau=3, mirostat_eta=2)


@pytest.mark.parametrize(
    "penalty",
    [{"repeat_penalty": 5}, {"presence_penalty": 50}, {"frequency_penalty": 50}],
    ids=str,
)
def test_a_penalty_counts_for_what_it_looks_back_on(
    client: ollama.Client, penalty: dict[str, Any]
) -> None:
    def words(**options: Any) -> list[str]:
        return said(client, STORY, num_predict=60, **options).split()

    def repeated(words: list[str]) -> int:
        return len(words) - len(set(words))

    whole = words()
    assert repeated(words(**penalty, repeat_last_n=-1)) < repeated(whole)
    assert words(**penalty, repeat_last_n=0) == whole


def test_a_shift_keeps_as_much_of_the_beginning_as_is_asked_for(client: ollama.Client) -> None:
    def told(keep: int) -> list[list[int]]:
        options = {"temperature": 1, "num_ctx": 64, "num_keep": keep}
        options |= {"ignore_eos": True, "num_predict": 120}
        contexts = list[list[int]]()
        for seed in SEEDS:
            answer = client.generate("cria", STORY, think=False, options=options | {"seed": seed})
            assert (answer.eval_count, answer.done_reason) == (120, "length")
            assert (answer.prompt_eval_count or 0) < 64
            contexts.append(list(answer.context or []))
        return contexts

    none, most = told(0), told(-1)
    # Until the context is full, nothing is dropped; what is then forgotten shows.
    assert [tokens[:64] for tokens in none] == [tokens[:64] for tokens in most]
    assert [tokens[64:] for tokens in none] != [tokens[64:] for tokens in most]
    assert told(0) == none


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_a_model_that_thinks_takes_a_level(client: ollama.Client, level: Any) -> None:
    answer = client.chat(
        "cria", [user("What is 47 + 38?")], think=level, options={"temperature": 0}
    )
    assert answer.message.thinking
