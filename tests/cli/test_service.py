"""`puna service`, as it is called."""

import os
from pathlib import Path

import pytest
from tests.cli.test_config import puna

from puna.cli import environment_file
from puna.errors import BadSetting


def test_what_would_be_written_is_shown_and_nothing_is_done(tmp_path: Path) -> None:
    shown = puna("service", "install", "--dry-run", HOME=str(tmp_path))
    assert shown.returncode == 0, shown.stderr
    assert "puna" in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_is_shown_for_the_system_is_another(tmp_path: Path) -> None:
    own = puna("service", "install", "--dry-run", HOME=str(tmp_path))
    system = puna("service", "install", "--dry-run", "--system", HOME=str(tmp_path))
    assert own.stdout != system.stdout


@pytest.mark.parametrize("words", [("install",), ("uninstall",), ("status",)])
def test_without_a_service_manager_one_is_told_what_else_to_do(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    # Neither systemctl nor launchctl is found on this path.
    refused = puna("service", *words, HOME=str(tmp_path), PATH=str(tmp_path))
    assert refused.returncode == 1
    assert "here" in refused.stderr
    assert "Start the server" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["PUNA_HOST", "=1", "a b=1", "PUNA_HOME='open"])
def test_a_line_that_is_none_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "service.env"
    file.write_text(f"# mine\n{line}\n")
    with pytest.raises(BadSetting, match=r"service\.env"):
        environment_file.read(file)


def test_a_template_sets_nothing_and_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "puna" / "service.env"
    environment_file.write_template(file, "start it anew")
    assert environment_file.read(file) == {}
    assert os.stat(file).st_mode & 0o077 == 0
    file.write_text("PUNA_PORT=1\n")
    environment_file.write_template(file, "start it anew")
    assert environment_file.read(file) == {"PUNA_PORT": "1"}
