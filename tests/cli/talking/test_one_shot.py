"""`puna run` with a prompt: what it asks, what it prints and where, and how it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.talking.fake_server import FakeServer, fake_server
from tests.cli.talking.pixels import PNG
from tests.clients.conftest import serving
from tests.serving import FOREIGN

SHORT = ("-o", "num_predict=200", "--think=false")
GREEDY = ("-o", "temperature=0", "--think=false")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture
def fake() -> Generator[FakeServer]:
    with fake_server() as fake:
        yield fake


def run(
    address: str, *words: str, piped: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    done = subprocess.run(
        [sys.executable, "-m", "puna", "run", *words],
        env=own | {"PUNA_HOST": address, "PUNA_CONFIG": os.devnull} | environment,
        input=piped,
        capture_output=True,
        check=False,
        timeout=100,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def last_asked(address: str) -> dict[str, Any]:
    return httpx.get(f"{address}/puna/v1/jobs", params={"limit": 1}, timeout=60).json()["jobs"][0]


def test_a_prompt_is_answered_on_the_output_alone(address: str) -> None:
    done = run(address, "cria", "Say", "hello", *GREEDY)
    asked = {"model": "cria", "messages": [{"role": "user", "content": "Say hello"}]}
    body = {**asked, "options": {"temperature": 0}, "think": False, "stream": False}
    answer = httpx.post(f"{address}/api/chat", json=body, timeout=60).json()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == answer["message"]["content"] + "\n"


def test_piped_text_comes_before_the_prompt(fake: FakeServer) -> None:
    fake.say("ok")
    fake.finish()
    done = run(fake.address, "m", "in one", "word?", piped="a story é\n".encode())
    assert done.stdout == "ok\n"
    assert fake.asked[0]["messages"] == [{"role": "user", "content": "a story é\n in one word?"}]


def test_piped_text_alone_is_a_prompt(fake: FakeServer) -> None:
    fake.finish()
    assert run(fake.address, "m", piped=b"Hello").returncode == 0
    assert fake.asked[0]["messages"] == [{"role": "user", "content": "Hello"}]


def test_an_empty_prompt_only_loads_the_model(address: str) -> None:
    done = run(address, "cria", "", "--keepalive", "-1")
    assert (done.returncode, done.stdout) == (0, "")
    (loaded,) = httpx.get(f"{address}/api/ps", timeout=60).json()["models"]
    assert loaded["name"] == "cria:latest"
    assert loaded["expires_at"] > "2100"


def test_what_is_wished_goes_to_the_server(fake: FakeServer, tmp_path: Path) -> None:
    schema = {"type": "object"}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    fake.finish()
    options = ("-o", "temperature=0.5", "--option", "stop=a", "-o", "stop=b", "-o", "num_ctx=64")
    wishes = (
        "--format",
        str(tmp_path / "schema.json"),
        "--system",
        "Be kind.",
        "--keepalive",
        "5m",
    )
    done = run(fake.address, "m", *options, *wishes, "--think=low", "Hi")
    assert done.returncode == 0
    assert fake.asked[0] == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hi"},
        ],
        "options": {"temperature": 0.5, "stop": ["a", "b"], "num_ctx": 64},
        "format": schema,
        "think": "low",
        "keep_alive": "5m",
    }


def test_think_alone_is_a_yes_and_eats_no_prompt(fake: FakeServer) -> None:
    for words, think, text in (
        (("--think", "Hi"), True, "Hi"),
        (("Hi", "--think=false"), False, "Hi"),
        (("--", "--think"), None, "--think"),
    ):
        fake.finish()
        assert run(fake.address, "m", *words).returncode == 0
        assert fake.asked[-1].get("think") is think
        assert fake.asked[-1]["messages"][0]["content"] == text


def test_json_is_json(address: str) -> None:
    done = run(
        address, "cria", "--format", "json", "--think=false", "-o", "num_predict=200", "List"
    )
    assert done.returncode == 0
    if last_asked(address)["output_tokens"] < 200:
        json.loads(done.stdout)
    assert done.stdout[0] in "{["


def test_figures_are_told_beside_the_answer(address: str) -> None:
    done = run(address, "cria", "Hello", "--verbose", *SHORT)
    told = [line.partition(":")[0] for line in done.stderr.split("\n") if line]
    kinds = ("count", "duration", "rate")
    parts = [f"{part} {kind}" for part in ("prompt eval", "eval") for kind in kinds]
    assert [name for name in told if name != "load duration"] == ["total duration", *parts]
    count = last_asked(address)["output_tokens"]
    assert f"eval count:           {count} token(s)\n" in done.stderr


def test_thinking_is_marked_and_can_be_hidden(fake: FakeServer) -> None:
    def thoughtful() -> None:
        fake.say("Hm.", kind="thinking")
        fake.say("Yes", ".")
        fake.finish()

    thoughtful()
    shown = run(fake.address, "m", "Hi").stdout
    assert shown == "Thinking...\nHm.\n...done thinking.\n\nYes.\n"
    thoughtful()
    assert run(fake.address, "m", "--hidethinking", "Hi").stdout == "Yes.\n"


def test_markdown_and_signs_stay_as_they_are_for_programs(fake: FakeServer) -> None:
    text = "\n# **b**\r\n\x1b[31m `x`\n"
    fake.say(text)
    fake.finish()
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    raw = subprocess.check_output(
        [sys.executable, "-m", "puna", "run", "m", "Hi"],
        env=own | {"PUNA_HOST": fake.address},
        stdin=subprocess.DEVNULL,
    )
    assert raw == text.encode()


def test_a_tool_call_is_shown(fake: FakeServer) -> None:
    fake.say("Let me see.")
    fake.call("weather", city="Cusco")
    fake.finish()
    assert run(fake.address, "m", "Hi").stdout == 'Let me see.\ncalls weather({"city": "Cusco"})\n'


def test_warnings_are_told_beside_the_answer(fake: FakeServer) -> None:
    fake.say("ok")
    fake.finish(warnings=["That has no effect."])
    assert run(fake.address, "m", "Hi").stderr == "puna: That has no effect.\n"


def test_a_closed_pipe_is_no_error(fake: FakeServer) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "run", "m", "Hi"],
        env=own | {"PUNA_HOST": fake.address},
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    fake.say("first")
    assert os.read(reader, 5) == b"first"
    os.close(reader)
    fake.say("second")
    fake.finish()
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (0, b"")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("nope", "Hi"), 1, "'nope:latest' was not found. `puna ls` and /api/tags list"),
        (("cria", "-o", "tempratur=1", "Hi"), 2, "The nearest is temperature."),
        (("cria", "-o", "temperature", "Hi"), 2, "write it as temperature=0.5"),
        (("cria", "-o", "top_k=x", "Hi"), 2, "top_k is 'x', it must be a whole number"),
        (("cria", "--think=much", "Hi"), 2, "'much' is no way to think"),
        (("cria", "--format", "none.json", "Hi"), 2, "a file with a JSON schema"),
        (("cria", "--keepalive", "soon", "Hi"), 1, "a duration is written as"),
        (("cria", "--nonsense"), 2, "No such option"),
        ((), 2, "MODEL"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_mend(
    address: str, words: tuple[str, ...], code: int, told: str
) -> None:
    done = run(address, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert done.stderr.startswith("puna: ")


@pytest.mark.parametrize("content", ["[1]", "{", ""])
def test_a_file_without_a_schema_is_no_format(
    fake: FakeServer, tmp_path: Path, content: str
) -> None:
    (tmp_path / "s.json").write_text(content)
    done = run(fake.address, "m", "--format", str(tmp_path / "s.json"), "Hi")
    assert done.returncode == 2
    assert "has no JSON schema in it" in done.stderr


def test_a_model_that_does_not_talk_is_told_apart(fake: FakeServer) -> None:
    fake.capabilities = ["embedding"]
    done = run(fake.address, "vectors", "Hi")
    assert done.returncode == 1
    assert done.stderr == (
        "puna: vectors does not talk: it is for embedding. /api/embed makes vectors with it.\n"
    )


def test_a_server_that_dies_within_an_answer_is_told(fake: FakeServer) -> None:
    fake.say("half an")
    fake.lines.put(None)
    done = run(fake.address, "m", "Hi")
    assert (done.returncode, done.stdout) == (1, "half an\n")
    assert "does not answer" in done.stderr


def test_a_model_that_sees_is_shown_the_images_of_a_prompt(
    fake: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "a cat.png").write_bytes(PNG)
    prompt = f"Who is '{tmp_path}/a cat.png'?"
    fake.finish()
    run(fake.address, "blind", prompt)
    assert fake.asked[-1]["messages"] == [{"role": "user", "content": prompt}]
    fake.capabilities = ["completion", "vision"]
    fake.finish()
    done = run(fake.address, "seeing", prompt)
    assert done.stderr == f"Added image '{tmp_path}/a cat.png'\n"
    (message,) = fake.asked[-1]["messages"]
    assert (message["content"], len(message["images"])) == ("Who is ?", 1)


def test_a_file_that_is_no_image_is_an_error(fake: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_text("meow")
    fake.capabilities = ["completion", "vision"]
    done = run(fake.address, "seeing", f"Who is {tmp_path}/cat.png?")
    assert done.returncode == 1
    assert "cat.png: An image is of no known kind." in done.stderr
    assert fake.asked == []


def test_an_interrupted_answer_ends_with_its_own_code(fake: FakeServer) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "run", "m", "Hi"],
        env=own | {"PUNA_HOST": fake.address},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    fake.say("first")
    assert process.stdout.read(5) == b"first"
    process.send_signal(2)
    rest, told = process.communicate(timeout=60)
    assert (process.returncode, rest, told) == (130, b"\n", b"")
