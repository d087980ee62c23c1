"""`puna history`, `puna rollback` and `puna gc`, as they are called, against a real server."""

import json
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from tests.cli.test_config import puna
from tests.clients.conftest import serving
from tests.models.hand_laid import age, lay_blob

from puna.cli.client import Client
from puna.cli.tables import size_of
from puna.errors import BadSetting, Unreachable

OLD = 100_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def address(home: Path) -> Generator[str]:
    with serving(home) as address:
        for words in ("one", "two"):
            made = {"model": "ns/parrot", "from": "cria", "system": words, "stream": False}
            httpx.post(f"{address}/api/create", json=made, timeout=60).raise_for_status()
        yield address


def test_a_name_is_shown_with_its_history_and_goes_back(address: str) -> None:
    told = json.loads(puna("history", "ns/parrot", "--json", PUNA_HOST=address).stdout)
    two, one = (each["digest"] for each in told["revisions"])
    shown = puna("history", "ns/parrot", "--host", address)
    head, latest, former = (line.split() for line in shown.stdout.splitlines())
    assert head == ["REVISION", "SIZE", "SINCE", "UNTIL"]
    assert (latest[0], latest[-1], former[0]) == (two[:12], "now", one[:12])
    rolled = puna("rollback", "ns/parrot", one[:7], OLLAMA_HOST=address)
    assert (rolled.returncode, rolled.stdout) == (0, f"ns/parrot:latest is {one[:12]} again.\n")
    asked = {"model": "ns/parrot"}
    assert httpx.post(f"{address}/api/show", json=asked, timeout=60).json()["system"] == "one"


def test_what_nobody_needs_is_shown_and_removed_only_when_told_to(home: Path, address: str) -> None:
    waste = lay_blob(home / "models", b"waste")
    file = home / "models/blobs" / waste.replace(":", "-")
    age(file, OLD)
    shown = puna("gc", PUNA_HOST=address)
    assert shown.stdout.splitlines() == [
        waste,
        "1 file, 5 B, not needed by any model. `puna gc --delete` removes them.",
    ]
    assert file.exists()
    removed = json.loads(puna("gc", "--delete", "--json", PUNA_HOST=address).stdout)
    assert removed == {"blobs": [waste], "partials": [], "bytes": 5, "removed": True}
    assert not file.exists()
    none = puna("gc", "--delete", PUNA_HOST=address)
    assert none.stdout == "There is nothing that no model needs.\n"


def test_an_error_is_told_in_the_servers_words(address: str) -> None:
    refused = puna("history", "nope", PUNA_HOST=address)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("puna: Model 'nope:latest' was not found.")


def test_where_no_server_is_one_is_told_how_to_start_it() -> None:
    refused = puna("gc", "--host", "127.0.0.1:1")
    assert refused.returncode == 1
    assert refused.stderr == (
        "puna: No server answers at http://127.0.0.1:1. `puna serve` starts one.\n"
    )


def test_a_server_on_every_address_is_reached_on_this_machine(address: str) -> None:
    port = address.rpartition(":")[2]
    for environment in (
        {"OLLAMA_HOST": f"0.0.0.0:{port}"},
        {"PUNA_HOST": f":{port}", "OLLAMA_HOST": "127.0.0.1:1"},
        {"PUNA_HOST": "127.0.0.1:1", "PUNA_PORT": port},
    ):
        assert Client(None, environment).get("/api/version")["version"]
    assert Client(address, {"PUNA_HOST": "127.0.0.1:1", "PUNA_PORT": "1"}).get("/api/version")


def test_an_address_that_is_none_is_named_with_where_it_came_from() -> None:
    with pytest.raises(BadSetting, match=r"PUNA_HOST: '127\.0\.0\.1:x' is no address"):
        Client(None, {"PUNA_HOST": "127.0.0.1:x"})


def test_a_server_of_another_kind_is_not_mistaken_for_puna() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.handle_request).start()
        with pytest.raises(Unreachable, match="is no Puna server"):
            Client(f"127.0.0.1:{server.server_port}").get("/")


@pytest.mark.parametrize(
    ("size", "words"), [(5, "5 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")]
)
def test_sizes_are_written_for_people(size: int, words: str) -> None:
    assert size_of(size) == words
