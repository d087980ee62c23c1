"""The official Python client of Ollama, in both forms: models that see, and models with adapters.

What they say is held against the library alone, on the same files.
"""

import base64
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest
import stand_in_parts
from stand_in_parts import PATCHES, png
from tests.engine.harness import Oracle, regret
from tests.engine.seeing import POOL, ROUNDING, Seeing, seeing

from puna.engine.libllama import open_library
from puna.engine.model import Model
from puna.models.modelfile import parse
from puna.models.requests import request_of, sources
from puna.protocol import Adapter, Pace
from puna.text.chat import IMAGE_MARKER

from .asking import user

Shape = Callable[[str], Path]
HERE, THERE = png(40, 40, seed=1), png(64, 48, seed=2)
QUESTION = "What is it?"
SHORT: dict[str, Any] = {"temperature": 0, "num_predict": 12, "ignore_eos": True}


@pytest.fixture(scope="module")
def weights(shape: Shape) -> Path:
    return shape("llama")


@pytest.fixture(scope="module")
def projector(weights: Path) -> Path:
    return stand_in_parts.write_projector(weights.with_suffix(".projector.gguf"))


@pytest.fixture(scope="module")
def adapters(weights: Path) -> list[Path]:
    return [
        stand_in_parts.write_adapter(weights.with_suffix(f".lora{seed}.gguf"), seed=seed)
        for seed in (1, 2)
    ]


@pytest.fixture(scope="module")
def maker(address: str) -> Iterator[ollama.Client]:
    """Makes models for many tests; all of them are gone at the end."""
    maker = ollama.Client(address)
    before = {model.model for model in maker.list().models}
    yield maker
    for model in maker.list().models:
        if model.model and model.model not in before:
            maker.delete(model.model)


@pytest.fixture(scope="module")
def plain(maker: ollama.Client, weights: Path) -> str:
    maker.create("plain", files={weights.name: maker.create_blob(weights)})
    return "plain"


@pytest.fixture(scope="module")
def seer(maker: ollama.Client, weights: Path, projector: Path) -> str:
    """A model of two files: which of them is the projector, is seen by what they hold."""
    files = {path.name: maker.create_blob(path) for path in (weights, projector)}
    maker.create("seer", files=files)
    return "seer"


@pytest.fixture(scope="module")
def adapted(maker: ollama.Client, address: str, weights: Path, adapters: list[Path]) -> str:
    """A model by a Modelfile, made as a command line makes it."""
    text = f"FROM ./{weights.name}\nADAPTER ./{adapters[0].name}\nPARAMETER num_predict 12\n"
    modelfile = parse(text)
    found = sources(modelfile, weights.parent)
    uploaded = [
        {path.name: maker.create_blob(path) for path in paths}
        for paths in (found.files, found.adapters)
    ]
    asked = request_of(modelfile, "adapted", found.model, *uploaded)
    body = {"model": asked.model, "files": asked.files, "adapters": asked.adapters}
    body |= {"parameters": asked.parameters, "stream": False}
    answer = httpx.post(f"{address}/api/create", json=body, timeout=60)
    assert answer.json() == {"status": "success"}
    return asked.model


@pytest.fixture(scope="module")
def twice_adapted(maker: ollama.Client, adapted: str, adapters: list[Path]) -> str:
    """A model of an adapted one: its own adapter comes to that one's."""
    other = adapters[1]
    maker.create("twice", from_=adapted, adapters={other.name: maker.create_blob(other)})
    return "twice"


@pytest.fixture(scope="module")
def oracle(shape: Shape) -> Generator[Seeing]:
    """The library on the same files as the seer, without Puna's server around it."""
    with seeing(open_library(), shape, "llama", POOL, Pace()) as oracle:
        yield oracle


def asked(client: ollama.Client, model: str, **more: Any) -> ollama.GenerateResponse:
    return client.generate(model, QUESTION, think=False, options=SHORT, **more)


def emitted(answer: ollama.GenerateResponse) -> tuple[list[int], list[int]]:
    """The tokens of an answer's prompt, and its own."""
    tokens, count = list(answer.context or []), answer.eval_count or 0
    return tokens[:-count], tokens[-count:]


def encoded(image: bytes) -> str:
    return base64.b64encode(image).decode()


def test_a_projector_makes_a_model_see(
    client: ollama.Client, http: httpx.Client, seer: str, plain: str
) -> None:
    shown = client.show(seer)
    assert "vision" in (shown.capabilities or [])
    assert "vision" not in (client.show(plain).capabilities or [])
    assert shown.details
    assert list(shown.details.families or []) == ["llama", "clip"]
    told = http.post("/api/show", json={"model": seer}).json()
    assert told["projector_info"]["general.architecture"] == "clip"
    assert told["modelfile"].count("\nFROM ") == 2


def test_an_image_is_seen_as_the_library_sees_it(
    client: ollama.Client, http: httpx.Client, seer: str, oracle: Seeing
) -> None:
    answer = asked(client, seer, images=[HERE])
    body = {"model": seer, "prompt": QUESTION, "images": [encoded(HERE)], "think": False}
    shown = http.post("/api/generate", json={**body, "_debug_render_only": True}).json()
    assert shown["_debug_info"]["image_count"] == 1
    before, after = (
        oracle.model.vocabulary.tokenize(text, special=True)
        for text in shown["_debug_info"]["rendered_template"].split(IMAGE_MARKER)
    )
    # An image is no text, so a context that can be sent again is without it.
    prompt, own = emitted(answer)
    assert prompt == [*before, *after]
    assert answer.prompt_eval_count == len(prompt) + PATCHES
    assert oracle.regret([before, HERE, after], own) < ROUNDING
    # Had it seen anything else, it would have said something else.
    assert oracle.regret([before, THERE, after], own) > 3 * ROUNDING


def test_a_chat_sees_what_a_prompt_sees_whole_and_streamed(
    client: ollama.Client, seer: str, tmp_path: Path
) -> None:
    told = asked(client, seer, images=[HERE]).response
    file = tmp_path / "here.png"
    file.write_bytes(HERE)
    for image in (HERE, encoded(HERE), file):
        said = user(QUESTION, images=[image])
        chat = client.chat(seer, [said], think=False, options=SHORT)
        assert chat.message.content == told
    parts = list(client.chat(seer, [said], think=False, options=SHORT, stream=True))
    assert "".join(part.message.content or "" for part in parts) == told
    other = client.chat(seer, [user(QUESTION, images=[THERE])], think=False, options=SHORT)
    blind = client.chat(seer, [user(QUESTION)], think=False, options=SHORT)
    assert len({told, other.message.content, blind.message.content}) == 3
    assert chat.prompt_eval_count == (blind.prompt_eval_count or 0) + PATCHES


def test_a_conversation_has_many_images(client: ollama.Client, seer: str) -> None:
    turns = [
        user(QUESTION, images=[HERE, THERE]),
        {"role": "assistant", "content": "Grass."},
        user("And now?", images=[THERE]),
    ]
    seen = client.chat(seer, turns, think=False, options=SHORT)
    blind = client.chat(
        seer, [{**turn, "images": []} for turn in turns], think=False, options=SHORT
    )
    assert seen.prompt_eval_count == (blind.prompt_eval_count or 0) + 3 * PATCHES
    turned = [{**turns[0], "images": [THERE, HERE]}, *turns[1:]]
    other = client.chat(seer, turned, think=False, options=SHORT)
    assert len({seen.message.content, blind.message.content, other.message.content}) == 3


def test_a_conversation_goes_on_from_the_context_of_one_with_images(
    client: ollama.Client, seer: str
) -> None:
    first = asked(client, seer, images=[HERE])
    second = asked(client, seer, context=first.context)
    assert second.response
    assert list(second.context or [])[: len(first.context or [])] == list(first.context or [])
    third = asked(client, seer, context=first.context, images=[THERE])
    assert third.prompt_eval_count == (second.prompt_eval_count or 0) + PATCHES


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("no base64!", "base64"),
        (encoded(b"no image at all"), "image"),
        (encoded(HERE[:-200]), "image"),
        (encoded(b""), "image"),
    ],
)
def test_what_is_no_image_is_refused(
    http: httpx.Client, seer: str, path: str, image: str, words: str
) -> None:
    said = {"messages": [user(QUESTION, images=[image])], "prompt": QUESTION, "images": [image]}
    answer = http.post(path, json={"model": seer, "options": SHORT, **said})
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_a_model_that_cannot_see_says_so(http: httpx.Client, plain: str, path: str) -> None:
    image = encoded(HERE)
    said = {"messages": [user(QUESTION, images=[image])], "prompt": QUESTION, "images": [image]}
    answer = http.post(path, json={"model": plain, **said})
    assert answer.status_code == 400
    assert f"'{plain}' does not support images" in answer.json()["error"]


def test_adapters_change_what_is_said_as_the_library_alone_has_it(
    client: ollama.Client,
    plain: str,
    adapted: str,
    twice_adapted: str,
    oracle: Seeing,
    adapters: list[Path],
) -> None:
    one, other = (
        (oracle.model.adapter(Adapter(str(adapters[number]))), 1.0) for number in range(2)
    )
    sets = {plain: (), adapted: (one,), twice_adapted: (one, other)}
    told = {name: asked(client, name) for name in sets}
    assert len({answer.response for answer in told.values()}) == 3
    for of, answer in told.items():
        for name, applied in sets.items():
            found = _regret(oracle.model, applied, answer)
            assert found < ROUNDING if name == of else found > 3 * ROUNDING, (name, of)


def _regret(
    model: Model, adapters: tuple[tuple[int, float], ...], answer: ollama.GenerateResponse
) -> float:
    with closing(Oracle(model, POOL, adapters)) as oracle:
        return regret(oracle, *emitted(answer))


def test_an_adapter_is_shown(client: ollama.Client, adapted: str, twice_adapted: str) -> None:
    for name, count in ((adapted, 1), (twice_adapted, 2)):
        assert (client.show(name).modelfile or "").count("\nADAPTER ") == count


def test_no_adapter_finds_what_another_has_cached(
    http: httpx.Client, plain: str, adapted: str
) -> None:
    for name in (plain, adapted):
        http.post("/api/generate", json={"model": name, "keep_alive": 0})
    first, stranger, again, own = (_cached(http, name) for name in (plain, adapted) * 2)
    assert (first["cached_tokens"], stranger["cached_tokens"]) == (0, 0)
    for later in (again, own):
        assert later["cached_tokens"] == later["prompt_tokens"] - 1


def _cached(http: httpx.Client, model: str) -> Mapping[str, Any]:
    """The record of a job that has asked a model."""
    body = {"model": model, "prompt": QUESTION, "options": SHORT, "stream": False}
    answer = http.post("/api/generate", json=body)
    return http.get(f"/api/progress/{answer.headers['x-request-id']}").json()


def test_what_is_no_adapter_is_refused(
    maker: ollama.Client, plain: str, projector: Path, tmp_path: Path
) -> None:
    wrong = maker.create_blob(projector)
    with pytest.raises(ollama.ResponseError, match="is no adapter but a projector") as refused:
        maker.create("wrong", from_=plain, adapters={"eyes.gguf": wrong})
    assert refused.value.status_code == 400
    # Made for another model, it is seen only when that one is loaded.
    foreign = stand_in_parts.write_adapter(tmp_path / "foreign.gguf", "gemma3")
    maker.create("foreign", from_=plain, adapters={"lora.gguf": maker.create_blob(foreign)})
    with pytest.raises(ollama.ResponseError, match="does not fit the model"):
        asked(maker, "foreign")
