"""`puna bench`, as it is called, against a real server with the pocket model."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.test_config import puna
from tests.clients.conftest import serving


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address


def bench(*words: str) -> Any:
    """What was measured; a failure is shown in its own words."""
    done = puna("bench", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def jobs(address: str, kind: str) -> list[Any]:
    told = httpx.get(f"{address}/puna/v1/jobs", params={"limit": 1000}, timeout=60).json()
    return [job for job in told["jobs"] if job["kind"] == kind and job["phase"] == "done"]


def test_what_is_measured_is_what_the_server_remembers(address: str) -> None:
    known = {job["id"] for job in jobs(address, "chat")}
    words = ("--prompt", "70..90", "--output", "4..8", "--concurrency", "1,3", "--requests", "6")
    report = bench(address, "--model", "cria", *words, "--warmup", "0")
    done = [job for job in jobs(address, "chat") if job["id"] not in known]
    measured = sorted(
        (job for job in done if job["output_tokens"] > 1), key=lambda job: job["arrived"]
    )
    # The others asked how long the words are, for one token each.
    assert len(measured) == 12
    for stage, records in zip(report["stages"], (measured[:6], measured[6:]), strict=True):
        found = stage["measured"][0]["all"]
        assert (found["requests"], found["failed"]) == (6, {})
        assert found["prompt_tokens"] == sum(one["prompt_tokens"] for one in records)
        assert found["output_tokens"] == sum(one["output_tokens"] for one in records)
        assert all(70 <= one["prompt_tokens"] <= 90 for one in records)
        # No client can see less than the server took itself.
        assert found["whole"]["p99"] >= sorted(one["total_seconds"] for one in records)[0]
        assert 0 < found["own_cpu"] < 1
    assert [stage["clients"] for stage in report["stages"]] == [1, 3]


@pytest.mark.slow
def test_prompts_are_as_long_as_asked_by_the_servers_count(address: str) -> None:
    words = ("--prompt", "64", "--output", "2", "--requests", "4", "--warmup", "0")
    for workload in ("single", "complete", "shared-prefix", "echo", "embed"):
        report = bench(address, "--model", "cria", *words, "--workload", workload)
        assert report["subjects"][0]["word_tokens"] == 1
        found = report["stages"][0]["measured"][0]["all"]
        assert (found["prompt_tokens"], found["failed"]) == (4 * 64, {}), workload


def test_one_server_against_itself_is_drawn_and_compared(address: str, tmp_path: Path) -> None:
    plot = tmp_path / "plot.svg"
    words = ("-m", "cria", "--output", "4", "--rounds", "2", "--requests", "2")
    shown = puna("bench", address, address, *words, "--plot", str(plot))
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[:2] == [f"{i}: {address}, cria, ollama's API" for i in (1, 2)]
    assert any(line.split()[:5] == ["1", "output", "rate", "1", "/"] for line in lines)
    assert plot.read_text().startswith("<svg")


def test_a_model_that_is_not_there_is_told_in_the_servers_words(address: str) -> None:
    refused = puna("bench", address, "--model", "nope")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "404: " in refused.stderr
    assert "nope" in refused.stderr


def test_where_no_server_is_that_is_told() -> None:
    refused = puna("bench", "127.0.0.1:1", "--model", "cria")
    assert refused.returncode == 1
    assert refused.stderr.startswith("puna: No server answers at http://127.0.0.1:1: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--workload", "dance"), "--workload: 'dance' is none of single, "),
        (("--api", "soap"), "--api: 'soap' is none of auto, ollama, openai"),
        (("--prompt", "many"), "'many' is no length"),
        (("--concurrency", "0"), "--concurrency: '0' is no list of positive numbers"),
        (("--concurrency", "1", "--rate", "1"), "one of them, not both"),
        (("--duration", "soon"), "--duration: "),
        (("--extra", "[]"), "--extra: "),
        (("--model", "a"), "--model: one for all servers or one for each, not 2"),
        (("--plot", "a.pdf"), "must end in .svg or .png"),
    ],
)
def test_options_that_make_no_sense_are_named(words: tuple[str, ...], told: str) -> None:
    refused = puna("bench", "127.0.0.1:1", "--model", "cria", *words)
    assert refused.returncode == 1
    assert told in refused.stderr


def test_a_terminal_sees_how_far_it_is(address: str) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "puna", "bench", address, "--model", "cria", "--output", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    ) as process:
        os.close(theirs)
        seen = b""
        # On Linux, a terminal whose other end is closed fails to be read.
        try:
            while part := os.read(ours, 4096):
                seen += part
        except OSError:
            pass
        assert process.stdout is not None
        shown = process.stdout.read().decode()
    os.close(ours)
    assert "1 clients" in seen.decode()
    assert "answers, 0 failed" in seen.decode()
    assert "CLIENTS  SERVER" in shown
