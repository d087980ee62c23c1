"""What people are told of a model that does not fit, through a client and on the command line."""

import re
from collections.abc import Generator
from typing import Any

import httpx
import ollama
import pytest
from tests.cli.inside import runner

from .asking import user
from .conftest import serving

# The pocket model in her whole length takes some megabytes more, in half of it fewer.
MEMORY = 80 << 20
LONG, SHORTER = 2048, 1024
REFUSED = re.compile(
    r"cria:latest needs \d+ MiB on the processor, where 80 MiB are free at best\. "
    r"It would fit with a context of [\d,]+ tokens, or with a smaller cache type \(q8_0\)\."
)


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home"), PUNA_MEMORY=str(MEMORY)) as address:
        yield address


def test_a_client_is_told_which_model_needs_how_much_and_what_would_fit(tight: str) -> None:
    client = ollama.Client(tight)
    for ask in (
        lambda context: client.chat("cria", [user("Hi")], options={"num_ctx": context}),
        lambda context: client.generate("cria", options={"num_ctx": context}),
    ):
        with pytest.raises(ollama.ResponseError) as refused:
            ask(LONG)
        assert REFUSED.fullmatch(refused.value.error)
        assert refused.value.status_code == 500
        assert ask(SHORTER).done


@pytest.mark.parametrize("route", ["chat", "generate", "embed"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_that_will_not_pass_asks_nobody_to_come_again(
    tight: str, route: str, stream: bool
) -> None:
    asked: dict[str, Any] = {"model": "cria", "options": {"num_ctx": LONG}, "stream": stream}
    asked |= {"messages": [user("Hi")], "prompt": "Hi", "input": "Hi"}
    answer = httpx.post(f"{tight}/api/{route}", json=asked, timeout=60)
    assert answer.status_code == 500
    assert "retry-after" not in answer.headers
    assert REFUSED.fullmatch(answer.json()["error"])


def test_the_command_line_tells_the_same(
    tight: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUNA_HOST", tight)
    monkeypatch.setattr("sys.stdin", None)
    told = runner(capsys)("run", "cria", "Hi", "--option", f"num_ctx={LONG}")
    assert told.code == 1
    assert REFUSED.fullmatch(told.err.removeprefix("puna: ").strip())
