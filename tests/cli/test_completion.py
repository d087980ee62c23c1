"""What a shell completes: commands, flags, and models' names of a live server."""

import os
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from tests.clients.conftest import serving
from tests.serving import FOREIGN

NAMES = ("herd/llama:1b", "herd/llama:3b", "herd/llama:latest")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home")) as address:
        for name in NAMES:
            asked = {"source": "cria", "destination": name}
            httpx.post(f"{address}/api/copy", json=asked, timeout=60).raise_for_status()
        yield address


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the command, as it is when it is installed."""
    folder = tmp_path_factory.mktemp("bin")
    # A person does not wait for a completion as long as a test on a busy machine.
    program = "from puna.cli import app, completion; completion.SECONDS = 60; app.main()"
    words = shlex.join([sys.executable, "-c", program])
    (folder / "puna").write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    (folder / "puna").chmod(0o755)
    return folder


def completed(commands: Path, words: list[str], address: str) -> list[str]:
    """What bash would offer for the last word, as it asks for it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    script = f"""
        source <(_PUNA_COMPLETE=source_bash puna)
        COMP_WORDS=({shlex.join(words)})
        COMP_CWORD={len(words) - 1}
        _puna_completion puna
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(
        ["bash", "--norc", "-c", textwrap.dedent(script)],
        env=own | {"PUNA_HOST": address, "PATH": f"{commands}:{own['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""
    return ran.stdout.split()


def test_commands_are_completed(commands: Path) -> None:
    assert completed(commands, ["puna", "s"], "127.0.0.1:1") == ["serve", "show", "stop", "service"]
    assert completed(commands, ["puna", "service", "un"], "127.0.0.1:1") == ["uninstall"]


def test_flags_are_completed(commands: Path) -> None:
    assert completed(commands, ["puna", "gc", "--de"], "127.0.0.1:1") == ["--delete"]


def test_models_names_come_from_the_server(commands: Path, address: str) -> None:
    assert completed(commands, ["puna", "show", "cr"], address) == ["cria"]
    offered = completed(commands, ["puna", "rm", "cria", "herd/"], address)
    assert sorted(offered) == ["herd/llama", "herd/llama:1b", "herd/llama:3b"]


def test_a_tag_is_completed_although_bash_parts_words_at_colons(
    commands: Path, address: str
) -> None:
    offered = completed(commands, ["puna", "show", "herd/llama", ":"], address)
    assert sorted(offered) == ["1b", "3b", "latest"]
    offered = completed(commands, ["puna", "show", "herd/llama", ":", "3"], address)
    assert offered == ["3b"]
    words = ["puna", "cp", "herd/llama", ":", "3b", "--ho"]
    assert completed(commands, words, address) == ["--host"]


def test_without_a_server_nothing_is_offered_and_nothing_is_said(commands: Path) -> None:
    assert completed(commands, ["puna", "show", "cr"], "127.0.0.1:1") == []
