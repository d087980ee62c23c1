"""The frame of the command line: what is listed, what is imported, how commands end."""

import os
import subprocess
import sys

import pytest
from tests.cli.test_config import puna

from puna.cli.commands import COMMANDS
from puna.cli.frame import loaded


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_is_where_the_table_says_and_does_what_it_says(entry) -> None:
    for name in (entry.name, *entry.aliases):
        assert loaded(name).help.splitlines()[0] == entry.help


def test_names_are_given_once() -> None:
    names = [name for entry in COMMANDS for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("words", [("--help",), ("gc", "--help"), ("gc",), ("nothing",)])
def test_what_only_asks_a_server_imports_no_heavy_library(words: tuple[str, ...]) -> None:
    code = (
        "import sys; sys.argv[0] = 'puna'\n"
        "from puna.cli.app import run\n"
        "run(sys.argv[1:])\n"
        "heavy = {'pydantic', 'msgspec', 'numpy', 'fastapi', 'rich', 'asyncio'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'heavy: {heavy}' if heavy else 0)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={"PUNA_HOST": "127.0.0.1:1", "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_help_lists_every_command_and_the_exit_codes() -> None:
    shown = puna("-h")
    assert shown.returncode == 0
    assert shown.stdout == puna("--help").stdout == puna().stdout
    for entry in COMMANDS:
        assert f"\n  {entry.name} " in shown.stdout
    assert "Exit codes: 0" in shown.stdout


def test_the_version_is_told() -> None:
    from puna import __version__

    assert puna("--version").stdout == puna("-v").stdout == f"puna {__version__}\n"


def test_a_command_that_makes_no_sense_is_told_in_a_sentence_and_a_mend() -> None:
    refused = puna("confg")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "puna: No such command 'confg'. Did you mean 'config'? "
        "`puna --help` tells how it is called.\n"
    )
    refused = puna("history")
    assert refused.returncode == 2
    assert "MODEL" in refused.stderr
    assert "`puna history --help`" in refused.stderr
