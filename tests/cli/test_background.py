"""The server that `puna run` starts where none answers."""

import os
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
from tests.clients.conftest import serving
from tests.serving import FOREIGN, quiet_port

from puna.cli.background import have_server
from puna.cli.client import Client
from puna.errors import NoServer

HI = ("cria", "Hello", "-o", "temperature=0", "--think=false")


@pytest.fixture
def port() -> int:
    """One that nobody listens on."""
    return quiet_port()


@pytest.fixture
def home(tmp_path: Path) -> Generator[Path]:
    """A home; the server that uses it ends with the test."""
    home = tmp_path / "home"
    yield home
    if (home / "lock").exists() and (server := owner(home)) is not None:
        server.terminate()
        server.wait(60)


def owner(home: Path) -> psutil.Process | None:
    try:
        return psutil.Process(int((home / "lock").read_text()))
    except (psutil.NoSuchProcess, ValueError):
        return None


def begun(port: int, home: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    own |= {"PUNA_HOST": f"127.0.0.1:{port}", "PUNA_HOME": str(home), "PUNA_CONFIG": os.devnull}
    return subprocess.Popen(
        [sys.executable, "-m", "puna", "run", *words],
        env=own | {"PUNA_THREADS": "1"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(port: int, home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    process = begun(port, home, *words, **environment)
    out, err = process.communicate(timeout=110)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_a_server_is_started_once_and_stays(port: int, home: Path) -> None:
    first = run(port, home, *HI)
    assert (first.returncode, bool(first.stdout.strip())) == (0, True), first.stderr
    server = owner(home)
    assert server is not None
    assert first.stderr == (
        f"puna: No server answers at http://127.0.0.1:{port}, so one is started in the "
        f"background: `kill {server.pid}` ends it, its log is {home}/logs/puna.log.\n"
    )
    again = run(port, home, *HI)
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")
    assert owner(home) == server
    # What is typed in a terminal is none of its business, nor is that it closes.
    assert os.getsid(server.pid) == server.pid
    assert "request" in (home / "logs/puna.log").read_text()
    assert home.stat().st_mode & 0o077 == 0
    told = home / "logs/background.log"
    assert told.read_text() == f"Puna listens on http://127.0.0.1:{port}\n"
    assert told.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_two_at_once_end_with_one_server(port: int, home: Path) -> None:
    both = [begun(port, home, *HI) for _ in range(2)]
    said = [process.communicate(timeout=110) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted(bool(told) for _, told in said) == [False, True]
    assert said[0][0] == said[1][0]


def test_a_server_that_is_there_is_asked(tmp_path: Path) -> None:
    with serving(tmp_path / "other") as address:
        done = run(int(address.rpartition(":")[2]), tmp_path / "home", *HI)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "home/lock").exists()


def test_where_the_home_cannot_be_written_to_none_is_started(port: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(port, tmp_path / "file/home", *HI)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"puna: No server answers at http://127.0.0.1:{port}, and none can be started, as the home "
        f"{tmp_path}/file/home cannot be written to: Not a directory. Name another home with "
        "PUNA_HOME, or say with --host where a server is.\n"
    )


def test_a_port_that_is_refused_is_told_in_the_servers_words(home: Path) -> None:
    with socket.socket() as holder:
        # Bound, so that nobody else can be; but nobody listens.
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        done = run(port, home, *HI)
    assert (done.returncode, done.stdout) == (1, "")
    assert "The server could not be started. " in done.stderr
    assert f"listens on 127.0.0.1:{port} already. " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_another_server_uses_is_told(port: int, tmp_path: Path) -> None:
    with serving(tmp_path / "home"):
        done = run(port, tmp_path / "home", *HI)
    assert done.returncode == 1
    assert f", uses the home {tmp_path}/home" in done.stderr


def test_a_setting_that_no_server_takes_is_told(port: int, home: Path) -> None:
    done = run(port, home, *HI, PUNA_KEEP_ALIVE="soon")
    assert done.returncode == 1
    assert "PUNA_KEEP_ALIVE is 'soon'" in done.stderr


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9", True),
        ("http://[::1]:1", True),
        ("LOCALHOST", True),
        ("0.0.0.0:1", True),
        ("192.0.2.1:1", False),
        ("http://[2001:db8::1]:1", False),
        ("https://127.0.0.1:1", False),
        ("example.org", False),
        ("localhost.example.org", False),
    ],
)
def test_a_server_is_only_started_where_this_machine_alone_reaches_it(
    address: str, here: bool
) -> None:
    assert Client(address).is_here == here


def test_elsewhere_none_is_started(port: int, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(Client):
        @property
        def is_here(self) -> bool:
            return False

    monkeypatch.setenv("PUNA_HOME", str(home))
    told: list[str] = []
    with pytest.raises(NoServer, match=f"No server answers at http://127.0.0.1:{port}"):
        have_server(Elsewhere(f"127.0.0.1:{port}"), told.append)
    assert (told, home.exists()) == ([], False)


@pytest.mark.slow
def test_what_lies_where_it_is_called_is_not_taken_for_puna(
    port: int, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(__file__).parents[2] / "src"
    (tmp_path / "puna").mkdir()
    (tmp_path / "puna/__main__.py").write_text("raise SystemExit('taken in')")
    (tmp_path / "puna/__init__.py").write_text("")
    start = f"import sys; sys.path[:0] = [{str(package)!r}]; from puna.cli.app import main; main()"
    monkeypatch.chdir(tmp_path)
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    own |= {"PUNA_HOST": f"127.0.0.1:{port}", "PUNA_HOME": str(home), "PYTHONPATH": str(package)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", start, "run", *HI],
        env=own | {"PUNA_CONFIG": os.devnull},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "taken in" in done.stderr) == (0, False), done.stderr
