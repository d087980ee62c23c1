"""The wheel, as people install it: into an empty environment, outside of the clone."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import venv
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from tests.documented import ROOT
from tests.serving import quiet_port

# Packages are fetched and unpacked, which takes as long as the machine's network.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SECONDS = 600


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)])
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def puna(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed in the versions of the lock with nothing of the clone in sight."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", with_pip=True)
    pins = folder / "pins.txt"
    lock = (ROOT / "requirements.lock").read_text()
    pins.write_text(re.sub(r" \\$|^    --hash.*\n", "", lock, flags=re.MULTILINE))
    python = folder / "venv" / "bin" / "python"
    done([python, "-m", "pip", "install", "-q", "-c", str(pins), str(wheel)])
    return python.with_name("puna")


def environment(home: Path) -> dict[str, str]:
    """Nothing that leads back into the clone, nor to a server of this machine."""
    foreign = ("PUNA_", "OLLAMA_", "PYTHON", "VIRTUAL_ENV")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return own | {"HOME": str(home), "PUNA_HOME": str(home / "puna"), "PUNA_THREADS": "1"}


def done(command: list[object], cwd: Path | None = None, home: Path | None = None) -> str:
    """What a command printed; it has to end well."""
    ran = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(home) if home else None,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@contextmanager
def served(puna: Path, home: Path) -> Generator[str]:
    with subprocess.Popen(
        [puna, "serve", "--port", "0"],
        cwd=home,
        env=environment(home),
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()
            server.wait(SECONDS)


def test_a_wheel_has_the_package_its_model_and_its_licence_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "puna/models/builtin/cria.gguf" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)
    assert {name.partition("/")[0] for name in names} == {
        "puna",
        next(name.partition("/")[0] for name in names if ".dist-info/" in name),
    }


def test_the_first_question_starts_a_server_and_is_answered(puna: Path, tmp_path: Path) -> None:
    port = quiet_port()
    asked = [puna, "run", "cria", "hi", "--think=false", "-o", "temperature=0"]
    try:
        answer = done([*asked, "--host", f"127.0.0.1:{port}"], tmp_path, tmp_path)
    finally:
        end(tmp_path / "puna" / "lock")
    assert answer.strip()


def end(lock: Path) -> None:
    """End the server that holds a home; its number is in the lock."""
    with open(lock) as held:
        os.kill(int(held.read()), signal.SIGTERM)
        # The lock is free once it has ended.
        fcntl.flock(held, fcntl.LOCK_EX)


def test_what_was_installed_is_all_that_is_needed(puna: Path, tmp_path: Path) -> None:
    assert done([puna, "--version"], tmp_path, tmp_path).startswith("puna ")
    with served(puna, tmp_path) as address:
        assert "cria" in done([puna, "list", "--host", address], tmp_path, tmp_path)
        asked = {
            "model": "cria",
            "messages": [{"role": "user", "content": "hi"}],
            "think": False,
            "options": {"temperature": 0},
            "stream": False,
        }
        answer = httpx.post(f"{address}/api/chat", json=asked, timeout=SECONDS).json()
        assert answer["message"]["content"]
        assert answer["done_reason"] == "stop"
