"""The official Python client of Ollama, in both forms: vectors."""

import asyncio
import math

import ollama
import pytest


def test_texts_become_vectors_of_length_one(client: ollama.Client) -> None:
    texts = ["a fox", "a hen", "a fox"]
    answer = client.embed("cria", texts)
    first, second, third = answer.embeddings
    assert math.dist(first, third) < 1e-3
    assert math.dist(first, second) > 1e-2
    for vector in answer.embeddings:
        assert math.hypot(*vector) == pytest.approx(1)
    assert answer.prompt_eval_count
    assert answer.total_duration
    alone = client.embed("cria", "a hen").embeddings[0]
    assert math.dist(alone, second) < 1e-2


def test_a_vector_may_be_shortened_and_stays_of_length_one(client: ollama.Client) -> None:
    whole = client.embed("cria", "a fox").embeddings[0]
    short = client.embed("cria", "a fox", dimensions=16).embeddings[0]
    assert len(short) == 16
    assert math.hypot(*short) == pytest.approx(1)
    scale = math.hypot(*whole[:16])
    assert list(short) == pytest.approx([number / scale for number in whole[:16]], abs=1e-3)


def test_an_input_that_may_not_be_truncated_is_refused(client: ollama.Client) -> None:
    long = "a fox and a hen " * 2000
    assert len(client.embed("cria", long).embeddings) == 1
    with pytest.raises(ollama.ResponseError, match="tokens") as refused:
        client.embed("cria", long, truncate=False)
    assert refused.value.status_code == 400


def test_a_short_context_is_for_vectors_too(client: ollama.Client) -> None:
    text = "a fox and a hen " * 20
    whole = client.embed("cria", text).prompt_eval_count or 0
    short = client.embed("cria", text, options={"num_ctx": 16})
    assert short.prompt_eval_count == 16 < whole
    assert math.hypot(*short.embeddings[0]) == pytest.approx(1)
    with pytest.raises(ollama.ResponseError, match=f"{whole} tokens.* holds 16") as refused:
        client.embed("cria", text, truncate=False, options={"num_ctx": 16})
    assert refused.value.status_code == 400


async def test_many_who_ask_at_once_get_what_each_would_get_alone(address: str) -> None:
    texts = ["a fox", "47 + 38", "The hen lived in a barn.", "What is the weather in Lima?"]
    client = ollama.AsyncClient(address)
    answers = await asyncio.gather(*(client.embed("cria", text) for text in texts * 3))
    together = [answer.embeddings[0] for answer in answers]
    for number, text in enumerate(texts):
        alone = (await client.embed("cria", text)).embeddings[0]
        distances = [math.dist(alone, vector) for vector in together]
        own = set(range(number, len(together), len(texts)))
        # In a batch sums are added up in another order, which is all that may differ.
        assert max(distances[place] for place in own) < 0.05
        assert min(distances[place] for place in set(range(len(together))) - own) > 0.2


def test_no_input_has_no_vectors(client: ollama.Client) -> None:
    assert client.embed("cria", []).embeddings == []


def test_the_older_form_has_the_vector_as_it_comes(client: ollama.Client) -> None:
    vector = client.embeddings("cria", "a fox").embedding
    length = math.hypot(*vector)
    assert length != pytest.approx(1)
    newer = client.embed("cria", "a fox").embeddings[0]
    assert [number / length for number in vector] == pytest.approx(list(newer), abs=1e-3)
