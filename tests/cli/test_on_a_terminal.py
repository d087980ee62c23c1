"""What commands other than `run` do on a real terminal, and what they leave alone elsewhere."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from tests.cli.talking.terminal import CTRL_C, terminal
from tests.clients.conftest import serving
from tests.serving import FOREIGN

pytestmark = pytest.mark.slow
ESCAPE = "\x1b["


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture
def silent() -> Generator[socket.socket]:
    """Something that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        yield listener


def test_a_watch_goes_on_in_its_place_until_ctrl_c(address: str) -> None:
    with terminal("ps", "--watch", PUNA_HOST=address, columns=120) as shown:
        shown.until("TOKENS/S")
        asked = {"model": "cria", "prompt": "Hello", "stream": False}
        asked |= {"options": {"num_predict": 3}}
        httpx.post(f"{address}/api/generate", json=asked, timeout=60).raise_for_status()
        shown.until("cria:latest")
        assert shown.text.count("TOKENS/S") == 1
        shown.type(CTRL_C)
        assert shown.end() == 130
        assert "Traceback" not in shown.text


def test_a_watch_that_is_no_terminals_prints_one_table_after_the_other(address: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    with subprocess.Popen(
        [sys.executable, "-m", "puna", "ps", "--watch"],
        env=own | {"PUNA_HOST": address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        heads = 0
        while heads < 2:
            line = process.stdout.readline()
            assert ESCAPE not in line
            heads += line.startswith("NAME")
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.stderr.read() == ""
    assert process.returncode == 130


def test_a_creation_shows_its_steps_and_leaves_them_there(address: str, tmp_path: Path) -> None:
    (tmp_path / "weights.gguf").write_bytes(b"GGUF, but for the rest")
    file = tmp_path / "Modelfile"
    file.write_text("FROM cria\nSYSTEM Hello\n")
    with terminal("create", "shown", "-f", str(file), PUNA_HOST=address) as shown:
        assert shown.end() == 0
        assert "✓ writing manifest" in shown.text
        assert shown.text.endswith("Created shown.")
    file.write_text("FROM ./weights.gguf\n")
    with terminal("create", "broken", "-f", str(file), PUNA_HOST=address) as shown:
        assert shown.end() == 1
        assert "uploading weights.gguf" in shown.text
        assert "puna: " in shown.text
        assert "Created" not in shown.text


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(
    address: str, environment: dict[str, str], coloured: bool
) -> None:
    for words in (("fit", "cria"), ("show", "cria"), ("show", "nope")):
        with terminal(*words, columns=80, PUNA_HOST=address, **environment) as shown:
            shown.end()
            assert (ESCAPE in shown.output) == coloured, shown.output


def test_what_is_read_by_no_terminal_has_no_colours(address: str) -> None:
    for words in (("fit", "cria"), ("show", "cria"), ("show", "nope"), ("create", "a")):
        ran = subprocess.run(
            [sys.executable, "-m", "puna", *words, "--host", address],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ESCAPE not in ran.stdout + ran.stderr


def test_ctrl_c_ends_a_command_that_waits_without_a_trace(silent: socket.socket) -> None:
    port = silent.getsockname()[1]
    with terminal("ls", PUNA_HOST=f"127.0.0.1:{port}") as waiting:
        call, _ = silent.accept()
        with call:
            # Its request has come, so it waits for the answer.
            call.settimeout(60)
            assert call.recv(4096)
            waiting.type(CTRL_C)
            assert waiting.end() == 130
        assert "Traceback" not in waiting.text


@pytest.fixture
def taking_nothing() -> Generator[str]:
    """A fake server that has no blob, and lets whoever brings one wait."""
    over = threading.Event()

    class Waiting(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def do_POST(self) -> None:
            over.wait(60)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Waiting) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"127.0.0.1:{server.server_port}"
        over.set()
        server.shutdown()


def test_ctrl_c_ends_an_upload_without_a_trace(taking_nothing: str, tmp_path: Path) -> None:
    with (tmp_path / "large.gguf").open("wb") as file:
        # More than sockets hold back.
        file.truncate(64 << 20)
    (tmp_path / "Modelfile").write_text("FROM ./large.gguf\n")
    words = ("create", "large", "-f", str(tmp_path / "Modelfile"))
    with terminal(*words, columns=120, PUNA_HOST=taking_nothing) as shown:
        shown.until("uploading large.gguf")
        shown.type(CTRL_C)
        assert shown.end() == 130
        assert "Traceback" not in shown.text
        assert "Created" not in shown.text
