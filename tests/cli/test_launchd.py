"""Puna as a service of launchd. launchctl is macOS's alone: a fake one notes what it is asked."""

import plistlib
import sys
from pathlib import Path

import pytest

from puna.cli.launchd import LABEL, Launchd
from puna.errors import NoServiceManager, ServiceFailed, ServiceForbidden

FAKE_LAUNCHCTL = """\
#!/bin/sh
echo "$@" >> "{calls}"
case "$1" in {failing}) echo "Bootstrap failed: 5: Input/output error" >&2; exit 5;; esac
case "$1" in print) printf 'puna = {{\\n\\tstate = running\\n\\tpid = 42\\n}}\\n';; esac
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("puna.configuration.FILE", tmp_path / "config.yaml")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


def fake_launchctl(home: Path, failing: str = "nothing") -> Path:
    """Puts it in the place of the real one; the answer is its notes."""
    calls, fake = home / "calls", home / "bin" / "launchctl"
    fake.parent.mkdir()
    fake.write_text(FAKE_LAUNCHCTL.format(calls=calls, failing=failing))
    fake.chmod(0o755)
    return calls


def test_the_property_list_reads_back_as_what_was_meant(home: Path) -> None:
    service = Launchd("user")
    service.settings.parent.mkdir(parents=True)
    service.settings.write_text(f"PUNA_HOME='{home}/my & data'\nPUNA_GRACE=5s\n# short\n\n")
    told = plistlib.loads(service.written().encode())
    assert told["Label"] == LABEL
    assert told["ProgramArguments"] == [sys.executable, "-m", "puna", "serve"]
    assert told["EnvironmentVariables"] == {"PUNA_HOME": f"{home}/my & data", "PUNA_GRACE": "5s"}
    assert told["KeepAlive"] == {"SuccessfulExit": False}
    assert told["ExitTimeOut"] > 5
    assert told["StandardErrorPath"] == f"{home}/my & data/logs/service.log"


def test_an_agent_is_loaded_anew_and_removed(home: Path) -> None:
    calls = fake_launchctl(home, failing="bootout")
    service = Launchd("user")
    service.settings.parent.mkdir(parents=True)
    service.settings.write_text(f"PUNA_HOME={home}/data\n")
    service.install()
    assert (home / "data").stat().st_mode & 0o077 == 0
    assert plistlib.loads(service.file.read_bytes())["Label"] == LABEL
    service.uninstall()
    assert not service.file.exists()
    assert service.settings.exists()
    words = [line.split()[0] for line in calls.read_text().splitlines()]
    assert words == ["bootout", "bootstrap", "bootout"]


def test_what_runs_is_told(home: Path) -> None:
    fake_launchctl(home)
    state = Launchd("user").state()
    assert (state.installed, state.running, state.process, state.words) == (
        False,
        True,
        42,
        "running",
    )


def test_what_launchd_refuses_is_told_in_its_words(home: Path) -> None:
    fake_launchctl(home, failing="bootstrap")
    with pytest.raises(ServiceFailed, match="Input/output error"):
        Launchd("user").install()


@pytest.mark.usefixtures("home")
def test_where_launchd_is_not_that_is_said() -> None:
    with pytest.raises(NoServiceManager):
        Launchd("user").state()


def test_there_is_no_service_of_the_system() -> None:
    with pytest.raises(ServiceForbidden, match="Leave out --system"):
        Launchd("system")
