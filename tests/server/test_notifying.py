"""What a service manager is told, by a real server and at a real socket."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

SECONDS = 60


@contextmanager
def manager(address: str) -> Generator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(address)
        line.settimeout(SECONDS)
        yield line


def heard(line: socket.socket) -> dict[str, str]:
    told = line.recv(4096).decode().splitlines()
    return dict(one.split("=", 1) for one in told)


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract addresses")


@pytest.mark.parametrize("kind", ["path", pytest.param("abstract", marks=LINUX)])
def test_a_manager_hears_of_the_beginning_and_of_the_end(kind: str, tmp_path: Path) -> None:
    name = f"puna-test-{os.getpid()}"
    bound, told = (f"\0{name}", f"@{name}") if kind == "abstract" else (f"{tmp_path}/notify",) * 2
    own = {key: value for key, value in os.environ.items() if not key.startswith("PUNA_")}
    settings = {"PUNA_HOME": str(tmp_path), "PUNA_GRACE": "7s", "NOTIFY_SOCKET": told}
    with (
        manager(bound) as line,
        subprocess.Popen(
            [sys.executable, "-m", "puna", "serve", "--port", "0"], env=own | settings
        ) as server,
    ):
        try:
            ready = heard(line)
            assert ready["READY"] == "1"
            address = ready["STATUS"].removeprefix("Listens on ")
            assert httpx.get(f"{address}/api/version", timeout=SECONDS).status_code == 200
            server.send_signal(signal.SIGTERM)
            ending = heard(line)
            assert ending["STOPPING"] == "1"
            assert int(ending["EXTEND_TIMEOUT_USEC"]) > 7_000_000
            assert server.wait(SECONDS) == 0
        finally:
            server.kill()


def test_a_manager_that_is_gone_holds_nobody_up(tmp_path: Path) -> None:
    environment = {**os.environ, "PUNA_HOME": str(tmp_path), "NOTIFY_SOCKET": f"{tmp_path}/gone"}
    with subprocess.Popen(
        [sys.executable, "-m", "puna", "serve", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            assert httpx.get(f"{address}/api/version", timeout=SECONDS).status_code == 200
        finally:
            server.kill()
