"""A server that is killed in the midst of everything leaves nothing that ails the next one."""

import hashlib
import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import httpx
import psutil
import pytest
from tests.serving import Served, served

from puna.models.gc import collect
from puna.models.soundness import faults
from puna.models.store import Store

KILLS = 5
CHAT = {"model": "cria", "messages": [{"role": "user", "content": "Tell me of a fox."}]}
FILE = random.Random(KILLS).randbytes(8 << 20)
UPLOAD = f"/api/blobs/sha256:{hashlib.sha256(FILE).hexdigest()}"


class Asking:
    """Everything at once that a server can be killed in: an answer, a load, and an upload."""

    def __init__(self, server: Served, home: Path) -> None:
        self._address = server.address
        self._blobs = home / "models" / "blobs"
        self._killed = Event()
        self._pieces = 0
        self._threads = [Thread(target=self._upload), Thread(target=self._chat)]

    def begin(self, pieces: int) -> None:
        """Ask, and wait until so many pieces of the answer have come, and some of the file."""
        left = self._begun()
        for thread in self._threads:
            thread.start()
        late = time.monotonic() + 60
        while self._pieces < pieces or self._begun() == left:
            assert time.monotonic() < late
            time.sleep(0.001)

    def _begun(self) -> int:
        """How many uploads have begun to be written, those of servers before this one too."""
        return sum(path.stat().st_size > 0 for path in self._blobs.glob(".partial-*"))

    def end(self) -> None:
        """The server was killed: who asked has noticed."""
        self._killed.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _halves(self) -> Iterator[bytes]:
        yield FILE[: len(FILE) // 2]
        self._killed.wait(60)

    def _upload(self) -> None:
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{self._address}{UPLOAD}", content=self._halves(), timeout=60)

    def _chat(self) -> None:
        # It is of no interest how whoever hears the answer notices the end.
        with (
            suppress(httpx.TransportError),
            httpx.stream("POST", f"{self._address}/api/chat", json=CHAT, timeout=60) as answer,
        ):
            for _ in answer.iter_lines():
                self._pieces += 1
                # Who does not read any further is not done when the server is killed.
                if self._pieces == KILLS:
                    self._killed.wait(60)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can kill a child with its parent")
def test_five_kills_of_a_server_leave_no_orphan_no_half_file_and_no_lost_record(
    tmp_path: Path,
) -> None:
    home, store, known = tmp_path / "home", Store(tmp_path / "home" / "models"), list[str]()
    for pieces in range(KILLS):
        with served(home) as server, httpx.Client(base_url=server.address, timeout=60) as client:
            # With no piece to wait for, the kill meets the load of the runner.
            asking = Asking(server, home)
            if pieces:
                whole = client.post("/api/chat", json={**CHAT, "stream": False})
                known.append(whole.headers["x-request-id"])
                # Whoever asks has what is to be written be written.
                client.get("/puna/v1/jobs")
            asking.begin(pieces)
            children = server.children
            server.process.kill()
            asking.end()
            assert psutil.wait_procs(children, timeout=60)[1] == []
        assert faults(store) == []
        assert not (store.root / "blobs" / UPLOAD.rpartition("/")[2].replace(":", "-")).exists()
    with served(home) as server, httpx.Client(base_url=server.address, timeout=60) as client:
        for id in known:
            assert client.get(f"/puna/v1/jobs/{id}").json()["phase"] == "done"
        assert client.post("/api/chat", json={**CHAT, "stream": False}).json()["done"]
        assert client.post(UPLOAD, content=FILE).status_code == 201
    collect(store)
    assert sorted(path.name for path in home.iterdir()) == ["lock", "logs", "models", "state.db"]
    assert not list(home.rglob(".partial-*"))
