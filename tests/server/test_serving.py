"""`puna serve` as a process: how it starts, heeds signals, and ends."""

import json
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.serving import COMMAND, Served, served

FAKE = (sys.executable, str(Path(__file__).parents[1] / "fake_engine.py"))
LONG: dict[str, Any] = {
    "model": "cria",
    "messages": [{"role": "user", "content": "What is that sound?"}],
    "options": {"num_predict": 400, "temperature": 0, "ignore_eos": True},
}


# Goes on for longer than any test.
ENDLESS = {"model": "cria", "messages": [{"role": "user", "content": "pace 10000000"}]}
# The same, but its runners are fake, and a farewell may take as long as a busy machine needs.
FAKED = (
    sys.executable,
    "-c",
    f"""
import sys
from puna.configuration import Configuration
from puna.hosts.local import LocalHost
from puna.server.journal import journal
from puna.server import serving
from puna.server.serving import serve
serving.FAREWELL_SECONDS = 60.0
flags = dict(zip((word.strip("-") for word in sys.argv[1::2]), sys.argv[2::2]))
serve(Configuration(flags), LocalHost(journal, command={FAKE!r}))
""",
)


def logging(
    home: Path, *flags: str, grace: str = "1h", command: tuple[str, ...] = COMMAND, **more: str
) -> AbstractContextManager[Served]:
    """A server whose log is read."""
    return served(
        home, "--grace", grace, *flags, command=command, log=subprocess.PIPE, settings=more
    )


def puna_serve(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *flags], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_answer_is_finished_before_the_server_ends(
    tmp_path: Path, number: signal.Signals
) -> None:
    with logging(tmp_path) as server, httpx.Client(base_url=server.address, timeout=60) as client:
        with client.stream("POST", "/api/chat", json=LONG, timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            children = server.children
            server.process.send_signal(number)
            server.logged("the server ends")
            assert json.loads(list(lines)[-1])["done"]
        assert server.process.wait(timeout=60) == 0
        assert psutil.wait_procs(children, timeout=60)[1] == []
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.address, timeout=60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "logs", "state.db"]


def test_who_is_told_that_a_server_listens_may_end_it(tmp_path: Path) -> None:
    for _ in range(3):
        with logging(tmp_path) as server:
            server.process.terminate()
            server.logged("the server has ended")
            assert server.process.wait(timeout=60) == 0


def test_a_setting_that_has_no_effect_on_this_machine_is_in_the_log(tmp_path: Path) -> None:
    with logging(tmp_path, "--tensor-split", "3,1", "--threads", "1") as server:
        httpx.post(f"{server.address}/api/generate", json={"model": "cria"}, timeout=60)
        line = server.logged("tensor_split (3,1) has no effect, since the engine sees no GPU.")
        assert line["level"] == "warning"


def test_nobody_is_let_in_any_more_while_a_server_ends(tmp_path: Path) -> None:
    with (
        logging(tmp_path) as server,
        httpx.Client(base_url=server.address, timeout=60) as client,
        client.stream("POST", "/api/chat", json=LONG, timeout=60) as answer,
    ):
        next(lines := answer.iter_lines())
        server.process.terminate()
        server.logged("the server ends")
        let_in = True
        while let_in:
            try:
                httpx.get(server.address, timeout=5)
            except httpx.TransportError:
                let_in = False
        assert json.loads(list(lines)[-1])["done"]


def test_an_answer_that_takes_longer_than_the_grace_ends_with_an_error(tmp_path: Path) -> None:
    with (
        logging(tmp_path, grace="0.2", command=FAKED) as server,
        httpx.Client(base_url=server.address, timeout=60) as client,
        client.stream("POST", "/api/chat", json=ENDLESS, timeout=60) as answer,
    ):
        next(lines := answer.iter_lines())
        children = server.children
        server.process.terminate()
        server.logged("the server ends")
        assert "ended before the job did" in json.loads(list(lines)[-1])["error"]
        assert server.process.wait(timeout=60) == 0
        assert psutil.wait_procs(children, timeout=60)[1] == []


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with (
        logging(tmp_path, grace="1h", command=FAKED) as server,
        httpx.Client(base_url=server.address, timeout=60) as client,
        client.stream("POST", "/api/chat", json=ENDLESS, timeout=60) as answer,
    ):
        next(answer.iter_lines())
        children = server.children
        server.process.terminate()
        server.logged("the server ends")
        server.process.terminate()
        server.logged("the server ends at once")
        server.process.wait(timeout=60)
        assert psutil.wait_procs(children, timeout=60)[1] == []


def test_a_hang_up_reads_what_acts_live_anew(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("keep_alive: 1h\n")
    with logging(tmp_path / "home", "--config", str(file)) as server:

        def told() -> dict[str, Any]:
            settings = httpx.get(f"{server.address}/puna/v1/settings", timeout=60).json()[
                "settings"
            ]
            return {one["name"]: one["value"] for one in settings}

        assert told()["keep_alive"] == "1h"
        file.write_text("keep_alive: 2h\nbatch: 64\nlog_level: debug\n")
        server.process.send_signal(signal.SIGHUP)
        assert server.logged("the settings were read again")["at_restart"] == ["batch"]
        assert (told()["keep_alive"], told()["batch"]) == ("2h", 512)
        file.write_text("keep_alive: soon\n")
        server.process.send_signal(signal.SIGHUP)
        assert "soon" in server.logged("the settings were not read again")["error"]
        assert told()["keep_alive"] == "2h"


def test_every_line_of_a_request_has_its_id(tmp_path: Path) -> None:
    with logging(tmp_path) as server:
        id = httpx.get(f"{server.address}/none", timeout=60).headers["x-request-id"]
        line = server.logged("request")
        assert (line["request"], line["status"], line["path"]) == (id, 404, "/none")
    (file,) = (tmp_path / "logs").iterdir()
    assert id in file.read_text()


def test_a_second_server_on_the_same_port_or_home_is_refused_with_the_mend(
    tmp_path: Path,
) -> None:
    with logging(tmp_path) as server:
        port = server.address.rpartition(":")[2]
        same_port = puna_serve("--port", port, "--home", str(tmp_path / "other"))
        assert same_port.returncode == 1
        assert f"(process {server.process.pid}) listens on 127.0.0.1:{port}" in same_port.stderr
        same_home = puna_serve("--port", "0", "--home", str(tmp_path))
        assert same_home.returncode == 1
        assert f"process {server.process.pid}, uses the home" in same_home.stderr


def test_what_nobody_knows_of_the_environment_is_in_the_log(tmp_path: Path) -> None:
    with logging(tmp_path, PUNA_PROT="1") as server:
        assert server.logged("PUNA_PROT is no setting and has no effect. Did you mean PUNA_PORT?")


def test_off_loopback_it_does_not_start_unless_that_is_meant() -> None:
    refused = puna_serve("--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 1
    assert "PUNA_ALLOW_ANONYMOUS=1" in refused.stderr


def test_a_server_starts_without_what_only_models_and_terminals_need() -> None:
    heavy = ("numpy", "rich", "aiohttp", "jinja2", "llguidance")
    command = "import sys, puna.server.serving; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()).isdisjoint(heavy)
