"""The documentation says what is: its settings, commands, blocks of code, and links."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import check_links
import pytest
import typer
import write_settings
import yaml
from tests.documented import PAGES, ROOT, Block, blocks_of, commands_in

from puna.cli.frame import app, loaded
from puna.models.modelfile import parse

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
# What is read; the languages that are run are in test_documented_code.py.
READ: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "yaml": yaml.safe_load,
    "dockerfile": parse,
}
RUN = {"sh", "console", "python"}
PUNA: Any = typer.main.get_command(app)


def test_the_page_on_the_settings_is_up_to_date() -> None:
    assert write_settings.PAGE.read_text() == write_settings.page(), (
        "Run python scripts/write_settings.py."
    )


def test_every_block_is_executed_or_says_why_not() -> None:
    silent = [
        block.where for block in BLOCKS if not block.excuse and block.language not in {*READ, *RUN}
    ]
    assert not silent, (
        f"Nobody executes {silent}. Name a language of {sorted({*READ, *RUN})}, or write "
        "<!-- not executed: the reason --> above it."
    )


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.language in READ and not block.excuse],
    ids=lambda block: block.where,
)
def test_what_a_block_has_can_be_read(block: Block) -> None:
    READ[block.language](block.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_sentences_are_commands_with_their_flags(page: Path) -> None:
    for line in commands_in(page):
        assert fault_of(line) is None, f"{page.name}: `{line}`: {fault_of(line)}"


@pytest.mark.parametrize(
    "line", ["puna sevre", "puna gc --remove", "puna service instal", "puna --bersion"]
)
def test_a_command_that_is_none_would_be_found(line: str) -> None:
    assert fault_of(line)


def fault_of(line: str) -> str | None:
    """What of a command line is not known, without running it."""
    command: Any = PUNA
    for word in shlex.split(line)[1:]:
        inner: dict[str, Any] = getattr(command, "commands", {})
        flag = word.partition("=")[0]
        if word.startswith("--"):
            if flag not in flags_of(command):
                return f"no flag {flag}"
        elif inner:
            if word not in inner:
                return f"no command {word}"
            command = loaded(word) if command is PUNA else inner[word]
    return None


AFAR = re.compile(
    r"""<(?:script|img|iframe)[^>]+src=["']?(?:https?:)?//"""
    r"""|<link[^>]+rel=["']?(?:stylesheet|preconnect)[^>]+href=["']?(?:https?:)?//"""
)


def flags_of(command: Any) -> set[str]:
    """A command's flags."""
    given = [(*one.opts, *one.secondary_opts) for one in command.params]
    return {"--help", *(name for names in given for name in names)}


def test_no_link_is_dead() -> None:
    assert not check_links.dead_links()


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert built.returncode == 0, built.stderr
    foreign = [page.name for page in tmp_path.glob("**/*.html") if fetched_from_afar(page)]
    assert not foreign, "These pages fetch something from another site."


def fetched_from_afar(page: Path) -> bool:
    """Whether a page needs another site to be shown."""
    return AFAR.search(page.read_text()) is not None
