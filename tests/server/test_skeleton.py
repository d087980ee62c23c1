"""One chat through all floors to the real engine, as `puna serve` runs it."""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import ollama
import psutil
import pytest
from tests.serving import served

RUN = Path(__file__).parents[2] / "scripts" / "run.py"
ASKED: list[dict[str, str]] = [{"role": "user", "content": "What is that sound?"}]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[ollama.Client]:
    with served(tmp_path_factory.mktemp("home")) as server:
        yield ollama.Client(server.address)


def test_what_is_streamed_joined_is_what_is_not_streamed(client: ollama.Client) -> None:
    options = ollama.Options(temperature=0, num_predict=40)
    whole = client.chat("cria", ASKED, options=options)
    pieces = list(client.chat("cria", ASKED, options=options, stream=True))
    assert "".join(piece.message.content or "" for piece in pieces) == whole.message.content
    assert whole.message.content
    assert pieces[-1].eval_count == whole.eval_count
    assert pieces[-1].prompt_eval_count == whole.prompt_eval_count


def test_a_seed_decides_what_is_said(client: ollama.Client) -> None:
    def said(seed: int) -> str | None:
        options = ollama.Options(seed=seed, num_predict=40, temperature=1.5)
        # What Cria is sure of she says whatever the seed is; stories she makes up.
        wish = [{"role": "user", "content": "Tell me a story about a fox in the forest."}]
        return client.chat("cria", wish, think=False, options=options).message.content

    assert said(1) == said(1)
    assert len({said(seed) for seed in range(1, 6)}) > 1


def test_figures_are_counted_and_measured(client: ollama.Client) -> None:
    answer = client.chat("cria", ASKED, options=ollama.Options(num_predict=8, temperature=0))
    assert answer.eval_count is not None
    assert answer.eval_count <= 8
    assert answer.done_reason == ("length" if answer.eval_count == 8 else "stop")
    assert answer.prompt_eval_count is not None
    assert answer.prompt_eval_count > 5
    assert answer.eval_duration
    assert answer.total_duration
    assert answer.eval_duration < answer.total_duration


def test_a_jobs_record_has_the_figures_that_its_answer_had(client: ollama.Client) -> None:
    asked = {"model": "cria", "messages": ASKED, "stream": False}
    for options in ({"temperature": 0}, {"temperature": 0, "num_predict": 5}):
        answer = client._client.post("/api/chat", json={**asked, "options": options})
        job = client._client.get(f"/puna/v1/jobs/{answer.headers['x-request-id']}").json()
        assert job["output_tokens"] == answer.json()["eval_count"]
        assert job["prompt_tokens"] == answer.json()["prompt_eval_count"]


def has(process: psutil.Process, scratch: Path) -> bool:
    """Whether this folder is what the process was given for its scratch files."""
    try:
        return process.environ().get("TMPDIR") == str(scratch)
    except psutil.Error:
        return False


def test_the_command_that_shows_puna_at_work_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PROMPT": "Who goes there?"}
    shown = subprocess.run(
        [sys.executable, str(RUN)], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert shown.startswith("> Who goes there?\n")
    assert re.search(r"\d+ tokens, [\d.]+ tokens per second", shown)
    assert list(tmp_path.iterdir()) == []
    assert [process.pid for process in psutil.process_iter() if has(process, tmp_path)] == []
