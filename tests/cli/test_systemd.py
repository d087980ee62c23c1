"""Puna as a service of systemd: the unit is held against systemd's own tools.

systemd itself cannot be had in a test: what is asked of it is answered by a fake systemctl.
"""

import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from puna.cli import systemd
from puna.cli.manager import Scope
from puna.cli.systemd import Systemd
from puna.errors import NoServiceManager, PunaError, ServiceFailed, ServiceForbidden

FAKE_SYSTEMCTL = """\
#!/bin/sh
echo "$@" >> "{calls}"
case "$*" in *{failing}*) echo "{words}" >&2; exit 1;; esac
case "$*" in *show*) cat <<END
ActiveState=active
SubState=running
UnitFileState=enabled
MainPID=42
StatusText=Listens on http://127.0.0.1:11434
END
esac
"""
# `systemd-analyze security` counts from 0, nothing exposed, to 100. What it told, and some room.
MOST_EXPOSED: dict[Scope, int] = {"system": 20, "user": 60}
# A home that a careless unit would break on.
HOME = "a home of 100% $HOME"

FakeSystemctl = Callable[..., None]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user who has set nothing."""
    home = tmp_path / HOME
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("puna.configuration.FILE", home / "config.yaml")
    return home


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def fake_systemctl(
    tmp_path: Path, calls: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeSystemctl:
    """Puts a systemctl that only notes what it is asked in the place of the real one."""

    def put(failing: str = "nothing at all", words: str = "") -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        fake = folder / "systemctl"
        fake.write_text(FAKE_SYSTEMCTL.format(calls=calls, failing=f'"{failing}"', words=words))
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.setattr(systemd, "BOOTED", tmp_path)

    return put


@pytest.fixture
def analyze(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """systemd's own judgement of a unit."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here (on Debian and Ubuntu: apt install systemd)")
    # Where a user's manager would be.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def judged(scope: Scope, *words: str) -> str:
        unit = tmp_path / systemd.NAME
        unit.write_text(Systemd(scope).written())
        command = ["systemd-analyze", f"--{scope}", "--no-pager", *words, str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return judged


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("scope", ["user", "system"])
def test_systemd_finds_no_fault_with_the_unit(scope: Scope, analyze: Callable[..., str]) -> None:
    assert systemd.NAME not in analyze(scope, "verify", "--man=no")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("scope", ["user", "system"])
def test_little_is_exposed(scope: Scope, analyze: Callable[..., str]) -> None:
    told = analyze(scope, "security", "--offline=true", f"--threshold={MOST_EXPOSED[scope]}")
    print(told.splitlines()[-1])


@pytest.mark.usefixtures("home")
def test_a_unit_with_a_fault_would_be_found(analyze: Callable[..., str], tmp_path: Path) -> None:
    unit = tmp_path / "faulty.service"
    unit.write_text(Systemd("system").written().replace("ProtectSystem=strict", "ProtectSys=x"))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "ProtectSys" in done.stderr
    with pytest.raises(AssertionError):
        analyze("system", "security", "--offline=true", "--threshold=1")


def test_a_service_is_installed_started_and_removed(
    home: Path, fake_systemctl: FakeSystemctl, calls: Path
) -> None:
    fake_systemctl()
    service = Systemd("user")
    service.install()
    assert service.file == home / ".config/systemd/user/puna.service"
    assert service.file.read_text() == service.written()
    assert f'ExecStart="{sys.executable}" -m puna serve' in service.written()
    assert stat.S_IMODE(service.settings.stat().st_mode) == 0o600
    service.uninstall()
    assert not service.file.exists()
    assert service.settings.exists()
    assert calls.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable puna.service",
        "--user restart puna.service",
        "--user disable --now puna.service",
        "--user daemon-reload",
    ]


def test_settings_that_are_there_stay_and_say_where_it_may_write(
    home: Path, fake_systemctl: FakeSystemctl
) -> None:
    fake_systemctl()
    service = Systemd("user")
    service.settings.parent.mkdir(parents=True)
    text = f"# mine\nPUNA_HOME='{home}/data'\nOLLAMA_MODELS=\"{home}/my models\"\n"
    service.settings.write_text(text)
    service.install()
    assert service.settings.read_text() == text
    within = str(home).replace("%", "%%")
    assert f'ReadWritePaths="-{within}/data" "-{within}/my models"\n' in service.written()
    assert (home / "data").is_dir()
    assert (home / "my models").is_dir()


@pytest.mark.usefixtures("home")
def test_a_fault_in_the_settings_is_told_before_anything_is_written(
    fake_systemctl: FakeSystemctl, calls: Path
) -> None:
    fake_systemctl()
    service = Systemd("user")
    service.settings.parent.mkdir(parents=True)
    service.settings.write_text("PUNA_MAX_QUEUE=many\n")
    with pytest.raises(PunaError, match="PUNA_MAX_QUEUE"):
        service.install()
    assert not service.file.exists()
    assert not calls.exists()


def test_what_runs_is_told(fake_systemctl: FakeSystemctl) -> None:
    fake_systemctl()
    service = Systemd("user")
    service.install()
    state = service.state()
    assert (state.installed, state.running, state.enabled, state.process) == (True, True, True, 42)
    assert state.words == "Listens on http://127.0.0.1:11434"


def test_what_systemd_refuses_is_told_in_its_words(fake_systemctl: FakeSystemctl) -> None:
    fake_systemctl("restart puna.service", "Job for puna.service failed.")
    with pytest.raises(ServiceFailed, match=r"Job for puna\.service failed.*journalctl --user"):
        Systemd("user").install()


def test_a_manager_out_of_reach_is_told_with_the_mend(fake_systemctl: FakeSystemctl) -> None:
    fake_systemctl("daemon-reload", "Failed to connect to bus: No medium found")
    with pytest.raises(NoServiceManager, match="Log in as this user"):
        Systemd("user").install()


@pytest.mark.usefixtures("home")
def test_where_systemd_does_not_run_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "BOOTED", tmp_path / "none")
    service = Systemd("user")
    for asked in (service.install, service.uninstall, service.state):
        with pytest.raises(NoServiceManager, match="systemd does not run here"):
            asked()
    assert not service.file.exists()


def test_only_root_changes_the_system(
    fake_systemctl: FakeSystemctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_systemctl()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ServiceForbidden, match="sudo"):
        Systemd("system").install()


def test_a_system_service_must_not_lie_in_a_home(
    fake_systemctl: FakeSystemctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_systemctl()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("sys.executable", "/home/somebody/.venv/bin/python")
    with pytest.raises(ServiceForbidden, match="/home/somebody"):
        Systemd("system").install()
