"""`puna config`, as it is called."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from puna.settings import Settings


def puna(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PUNA_", "OLLAMA_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "puna", *words],
        env={**clean, "PUNA_CONFIG": os.devnull, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_setting_is_shown_with_its_value_and_where_that_came_from(tmp_path: Path) -> None:
    file = tmp_path / "puna.yaml"
    file.write_text("max_queue: 9\n")
    words = ("config", "--config", str(file), "--port", "1", "--no-speculate")
    shown = puna(*words, OLLAMA_KEEP_ALIVE="1h", PUNA_PROT="2")
    rows = {line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines()}
    assert rows["max_queue"] == ["9", str(file), "live"]
    assert rows["port"] == ["1", "--port", "restart"]
    assert rows["speculate"] == ["false", "--speculate", "restart"]
    assert rows["keep_alive"] == ["1h", "OLLAMA_KEEP_ALIVE", "live"]
    assert rows["batch"] == ["512", "default", "restart"]
    assert set(Settings.model_fields) <= set(rows)
    assert "Did you mean PUNA_PORT?" in shown.stderr


def test_programs_get_the_same_as_json() -> None:
    told = json.loads(puna("config", "--json", PUNA_RESERVE="1GiB").stdout)["settings"]
    (reserve,) = [one for one in told if one["name"] == "reserve"]
    assert (reserve["value"], reserve["origin"]) == ("1GiB", "PUNA_RESERVE")
    assert len(told) == len(Settings.model_fields)


@pytest.mark.parametrize("command", ["config", "serve"])
def test_a_value_at_fault_ends_the_command_with_a_sentence(command: str) -> None:
    refused = puna(command, "--keep-alive", "soon")
    assert refused.returncode == 1
    assert refused.stderr == (
        "puna: --keep-alive is 'soon': a duration is written as 90s, 5m or 1h30m.\n"
    )


def test_every_setting_is_a_flag_of_serve() -> None:
    shown = puna("serve", "--help", TERMINAL_WIDTH="200").stdout
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in shown
