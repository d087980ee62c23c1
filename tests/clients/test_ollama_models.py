"""The official Python client of Ollama, in both forms: models, and how long they stay loaded."""

import asyncio
import hashlib
import re
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import ollama
import psutil
import pytest

from puna.models.builtin_model import builtin_model

from .conftest import hello, serving


def names(client: ollama.Client) -> list[str]:
    return [model.model or "" for model in client.list().models]


@pytest.fixture
def zorbo(client: ollama.Client) -> Iterator[str]:
    """A model with a system prompt, parameters and messages of its own."""
    client.create(
        "zorbo",
        from_="cria",
        system="You are Zorbo, a friendly robot.",
        parameters={"temperature": 0, "num_predict": 30, "stop": ["robot"]},
        messages=[{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}],
        license="Apache-2.0",
    )
    yield "zorbo"
    client.delete("zorbo")


def test_clients_find_out_who_they_talk_to(http: httpx.Client) -> None:
    assert http.get("/").text == "Ollama is running"
    assert re.fullmatch(r"\d+\.\d+\.\d+", http.get("/api/version").json()["version"])
    for path in ("/", "/api/version", "/api/tags"):
        head = http.head(path)
        assert (head.status_code, head.content) == (200, b"")


def test_the_built_in_model_is_listed(client: ollama.Client, pocket_model: Path) -> None:
    (cria,) = [model for model in client.list().models if model.model == "cria:latest"]
    assert re.fullmatch("[0-9a-f]{64}", cria.digest or "")
    assert cria.size == pocket_model.stat().st_size
    assert cria.details
    assert cria.details.format == "gguf"
    assert cria.details.family == "llama"
    assert cria.details.quantization_level == "Q8_0"
    assert (cria.details.parameter_size or "").endswith("M")


def test_a_model_is_shown_as_its_file_has_it(client: ollama.Client, http: httpx.Client) -> None:
    shown = client.show("cria")
    assert {"completion", "tools", "thinking"} <= set(shown.capabilities or [])
    assert shown.modelinfo
    assert shown.modelinfo["general.architecture"] == "llama"
    assert shown.modelinfo["general.parameter_count"] > 1_000_000
    assert shown.modelinfo["tokenizer.ggml.tokens"] == []
    assert "tokenizer.chat_template" not in shown.modelinfo
    assert "<|im_start|>" in (shown.template or "")
    told = http.post("/api/show", json={"model": "cria", "verbose": True}).json()
    tokens = told["model_info"]["tokenizer.ggml.tokens"]
    assert len(tokens) > 1000
    assert "<|im_start|>" in tokens
    embedding = next(one for one in told["tensors"] if one["name"] == "token_embd.weight")
    assert embedding["shape"][1] == len(tokens)
    assert embedding["type"] == "Q8_0"


def test_a_created_model_brings_its_own_words(client: ollama.Client, zorbo: str) -> None:
    shown = client.show(zorbo)
    assert shown.license == "Apache-2.0"
    assert "SYSTEM" in (shown.modelfile or "")
    lines = [line.split(None, 1) for line in (shown.parameters or "").splitlines()]
    assert ["stop", '"robot"'] in lines
    assert ["temperature", "0"] in lines
    assert f"{zorbo}:latest" in names(client)

    answer = client.generate(zorbo, "Who are you?", think=False)
    assert "Zorbo" in (answer.response or "")
    assert "robot" not in (answer.response or "")
    chat = client.chat(zorbo, [{"role": "user", "content": "Who are you?"}], think=False)
    assert chat.message.content == answer.response
    other = [
        {"role": "system", "content": "You are Brando, a friendly robot."},
        {"role": "user", "content": "Who are you?"},
    ]
    assert "Zorbo" not in (client.chat(zorbo, other, think=False).message.content or "")


def test_a_models_parameters_lie_under_what_is_asked_for(client: ollama.Client, zorbo: str) -> None:
    asked = [{"role": "user", "content": "Tell me a happy story about a fox in the forest."}]
    own = client.chat(zorbo, asked, think=False)
    assert (own.eval_count or 0) <= 30
    short = client.chat(zorbo, asked, think=False, options={"num_predict": 3})
    assert (short.eval_count, short.done_reason) == (3, "length")


def test_what_is_shown_makes_the_same_model_again(client: ollama.Client, zorbo: str) -> None:
    shown = client.show(zorbo)
    assert "# FROM zorbo:latest" in (shown.modelfile or "")
    client.create("again", from_=zorbo)
    again = client.show("again")
    assert (again.parameters, again.license) == (shown.parameters, shown.license)
    assert (again.modelfile or "").split("\n\n", 1)[1] == (shown.modelfile or "").split("\n\n", 1)[
        1
    ]
    client.delete("again")


def test_a_model_is_made_of_an_uploaded_file(
    client: ollama.Client, pocket_model: Path, http: httpx.Client
) -> None:
    digest = client.create_blob(pocket_model)
    assert digest == f"sha256:{hashlib.sha256(pocket_model.read_bytes()).hexdigest()}"
    assert http.head(f"/api/blobs/{digest}").status_code == 200
    lines = list(client.create("mine", files={"cria.gguf": digest}, stream=True))
    assert lines[-1].status == "success"
    assert len(lines) > 2
    asked = [{"role": "user", "content": "Hello"}]
    mine = client.chat("mine", asked, think=False, options={"temperature": 0})
    cria = client.chat("cria", asked, think=False, options={"temperature": 0})
    assert mine.message.content == cria.message.content
    client.delete("mine")


def test_a_model_built_on_another_shares_its_runner(client: ollama.Client, zorbo: str) -> None:
    client.generate("cria", keep_alive="10m")
    assert loaded(client)
    answer = client.generate(zorbo, "Who are you?", think=False, keep_alive="10m")
    assert (answer.load_duration or 0) < 1e9
    # There is one, by the name that was asked for last.
    digest = next(
        model.digest for model in client.list().models if model.model == f"{zorbo}:latest"
    )
    (found,) = [
        one for one in client.ps().models if one.model in ("cria:latest", f"{zorbo}:latest")
    ]
    assert (found.model, found.digest) == (f"{zorbo}:latest", digest)
    client.generate(zorbo, keep_alive=0)
    assert loaded(client) is None


def test_a_name_has_revisions_that_run(client: ollama.Client, http: httpx.Client) -> None:
    def who(model: str) -> str:
        answer = client.chat(model, [{"role": "user", "content": "Who are you?"}], think=False)
        return answer.message.content or ""

    for name in ("Zorbo", "Brando"):
        system = f"You are {name}, a friendly robot."
        client.create("revised", from_="cria", system=system, parameters={"temperature": 0})
    now, before = http.get("/puna/v1/models/revised/history").json()["revisions"]
    assert "Brando" in who("revised")
    assert "Zorbo" in who(f"revised@sha256:{before['digest']}")
    back = {"revision": before["digest"][:7]}
    assert http.post("/puna/v1/models/revised/rollback", json=back).status_code == 200
    assert "Zorbo" in who("revised")
    assert "Brando" in who(f"revised@sha256:{now['digest']}")
    client.delete("revised")
    with pytest.raises(ollama.ResponseError) as forgotten:
        who(f"revised@sha256:{now['digest']}")
    assert forgotten.value.status_code == 404


def test_a_template_of_ones_own_renders_the_conversation(client: ollama.Client) -> None:
    template = (
        "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
        "<|im_start|>assistant\n"
    )
    client.create("templated", from_="cria", template=template)
    assert client.show("templated").template == template
    asked = [{"role": "user", "content": "Hello"}]
    own = client.chat("templated", asked, options={"temperature": 0})
    cria = client.chat("cria", asked, think=False, options={"temperature": 0})
    assert own.message.content == cria.message.content
    client.delete("templated")


def test_a_copy_is_the_same_under_another_name(client: ollama.Client, zorbo: str) -> None:
    assert client.copy(zorbo, "double").status == "success"
    digests = {model.model: model.digest for model in client.list().models}
    assert digests["double:latest"] == digests[f"{zorbo}:latest"]
    client.delete("double")
    assert "double:latest" not in names(client)
    with pytest.raises(ollama.ResponseError) as refused:
        client.delete("double")
    assert refused.value.status_code == 404


def test_a_blob_that_is_not_what_it_is_said_to_be_is_refused(http: httpx.Client) -> None:
    digest = "sha256:" + hashlib.sha256(b"a").hexdigest()
    assert http.head(f"/api/blobs/{digest}").status_code == 404
    answer = http.post(f"/api/blobs/{digest}", content=b"b")
    assert answer.status_code == 400
    assert "digest" in answer.json()["error"]
    assert http.head(f"/api/blobs/{digest}").status_code == 404
    assert http.post(f"/api/blobs/{digest}", content=b"a").status_code == 201
    assert http.post(f"/api/blobs/{digest}", content=b"a").status_code == 200
    assert http.head("/api/blobs/sha256:..%2f..%2fx").status_code in (400, 404)
    assert http.post("/api/blobs/sha256:abc", content=b"a").status_code == 400


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"model": "x"}, "from"),
        ({"model": "x", "from": "cria", "parameters": {"spice": 1}}, "spice"),
        ({"model": "x", "from": "cria", "parameters": {"top_k": "many"}}, "top_k"),
        ({"model": "../x", "from": "cria"}, "name"),
        ({"from": "cria"}, "model"),
        ({"model": "x", "files": {"a.gguf": "sha256:" + "0" * 64}}, "0000"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_what_cannot_be_created_is_refused_before_anything_is_told(
    http: httpx.Client, asked: dict[str, Any], words: str, stream: bool
) -> None:
    answer = http.post("/api/create", json={**asked, "stream": stream})
    assert answer.status_code in (400, 500), answer.text
    assert words in answer.json()["error"]


def loaded(client: ollama.Client) -> ollama.ProcessResponse.Model | None:
    """The pocket model, if it is loaded."""
    return next((one for one in client.ps().models if one.model == "cria:latest"), None)


def test_an_empty_request_loads_and_one_that_keeps_nothing_lets_go(
    client: ollama.Client,
) -> None:
    for load in (client.generate, client.chat):
        assert load("cria", keep_alive="10m").done_reason == "load"
        found = loaded(client)
        assert found
        assert found.context_length
        assert (found.size or 0) > 1_000_000
        assert found.size_vram == 0
        left = (found.expires_at or datetime.min) - datetime.now(UTC)
        assert timedelta(minutes=9) < left <= timedelta(minutes=10)
        assert load("cria", keep_alive=0).done_reason == "unload"
        assert loaded(client) is None


def test_a_model_is_loaded_with_the_context_that_is_asked_for(client: ollama.Client) -> None:
    client.generate("cria", keep_alive=0)
    client.generate("cria", options={"num_ctx": 1500})
    found = loaded(client)
    assert found
    assert (found.context_length or 0) >= 1500
    first = client.chat("cria", [{"role": "user", "content": "Hello"}], options={"num_ctx": 1500})
    assert (first.load_duration or 0) < 1e9


def test_what_is_kept_for_ever_stays(client: ollama.Client) -> None:
    client.generate("cria", keep_alive=-1)
    found = loaded(client)
    assert found
    assert (found.expires_at or datetime.min).year > 2100
    client.generate("cria", keep_alive="0")
    assert loaded(client) is None


def test_loading_takes_time_once(http: httpx.Client) -> None:
    http.post("/api/generate", json={"model": "cria", "keep_alive": 0})
    first = http.post("/api/chat", json=hello()).json()
    again = http.post("/api/chat", json=hello()).json()
    assert first["load_duration"] > 10 * again["load_duration"]


def test_an_answer_may_be_the_last_thing_that_a_model_is_kept_for(http: httpx.Client) -> None:
    answer = http.post("/api/chat", json=hello(keep_alive=0)).json()
    assert answer["done_reason"] == "stop"
    # It goes as soon as its answer has been told, and to ask who is there does not wait for that.
    assert "cria:latest" not in eventually(http, lambda models: "cria:latest" not in models)


def eventually(http: httpx.Client, there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The loaded models by their names, once they are as they should be, or after a while."""
    deadline = time.monotonic() + 60
    while True:
        models = {one["name"]: one for one in http.get("/api/ps").json()["models"]}
        if there(models) or time.monotonic() > deadline:
            return models


def test_how_a_model_is_loaded_may_be_asked_for(http: httpx.Client) -> None:
    usual = http.post("/api/chat", json=hello()).json()
    demand = {"num_batch": 64, "use_mmap": False, "num_thread": 1, "num_gpu": 0}
    options = {"temperature": 0, **demand}
    other = http.post("/api/chat", json=hello(options=options, keep_alive=0)).json()
    assert other["message"]["content"] == usual["message"]["content"]
    assert "warnings" not in other


@pytest.mark.slow
def test_how_a_model_is_loaded_shows_in_its_runner(tmp_path: Path) -> None:
    """What the options about loading do, seen from outside: in the runner's own process."""
    mapped, locked, threads, size = {}, {}, {}, {}
    usual = {"use_mmap": True, "use_mlock": False, "num_thread": 1, "num_batch": 512}
    ways = {"usual": {}, "copied": {"use_mmap": False}, "locked": {"use_mlock": True}}
    ways |= {"threads": {"num_thread": 3}, "batch": {"num_batch": 2048}}
    others = {one.pid for one in runners()}
    with serving(tmp_path) as address, httpx.Client(base_url=address, timeout=60) as http:
        for way, asked in ways.items():
            answer = http.post("/api/chat", json=hello(options={**usual, **asked}))
            assert "warnings" not in answer.json()
            (runner,) = (one for one in runners() if one.pid not in others)
            mapped[way] = any("cria.gguf" in one.path for one in runner.memory_maps())
            locked[way] = "VmLck:\t       0 kB" not in status(runner)
            threads[way] = runner.num_threads()
            size[way] = http.get("/api/ps").json()["models"][0]["size"]
            http.post("/api/chat", json={"model": "cria", "keep_alive": 0})
            # What is asked for next is to be the only one.
            psutil.wait_procs([runner], timeout=60)
    assert {way for way, yes in mapped.items() if not yes} == {"copied"}
    least, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    may_lock = least == resource.RLIM_INFINITY or least > builtin_model().size
    assert {way for way, yes in locked.items() if yes} == ({"locked"} if may_lock else set())
    assert threads["threads"] > threads["usual"]
    assert size["batch"] > size["usual"]


def runners() -> list[psutil.Process]:
    """The runners of all servers that this process has started."""
    found: list[psutil.Process] = []
    for server in psutil.Process().children():
        for process in server.children():
            with suppress(psutil.NoSuchProcess):
                if "puna.engine" in process.cmdline():
                    found.append(process)
    return found


def status(process: psutil.Process) -> str:
    return Path(f"/proc/{process.pid}/status").read_text()


async def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    endless = hello(stream=True, options={"ignore_eos": True, "num_predict": 10_000_000})

    async def read_on(lines: AsyncIterator[str]) -> None:
        # Who does not would be taken off the seat.
        async for _ in lines:
            pass

    with serving(tmp_path, PUNA_MAX_QUEUE="1", PUNA_SEQUENCES="1") as address:
        async with httpx.AsyncClient(base_url=address, timeout=60) as http:
            async with http.stream("POST", "/api/chat", json=endless) as running:
                lines = running.aiter_lines()
                await anext(lines)
                reading = asyncio.create_task(read_on(lines))
                # One of these waits for the only seat, and that is one too many for the other.
                others = {
                    asyncio.create_task(http.post("/api/chat", json=hello())) for _ in range(2)
                }
                done, waiting = await asyncio.wait(others, return_when="FIRST_COMPLETED")
                (refused,) = [task.result() for task in done]
                reading.cancel()
                await asyncio.wait({reading})
            (answered,) = [await task for task in waiting]
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert list(refused.json()) == ["error"]
    assert answered.status_code == 200
