"""A live server, as `puna serve` runs it, for real clients: real runners, the pocket model."""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import ollama
import pytest

from .blocking import Blocking

# Settings of the machine that tests run on are not the tests'.
FOREIGN = ("PUNA_", "OLLAMA_")


@contextmanager
def serving(home: Path, **settings: str) -> Generator[str]:
    """A server on a free port, by its address; it hears of no settings but these."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    process = subprocess.Popen(
        [sys.executable, "-m", "puna", "serve", "--host", "127.0.0.1", "--port", "0"],
        env=own | {"PUNA_HOME": str(home), "PUNA_THREADS": "1"} | settings,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        process.terminate()
        process.wait(timeout=60)


# Gone with the last of these tests: others count the children of their process.
@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, address: str) -> ollama.Client:
    """The official Python client, in both of its forms."""
    if request.param == "sync":
        return ollama.Client(address)
    return cast(ollama.Client, Blocking(address))


@pytest.fixture
def http(address: str) -> Generator[httpx.Client]:
    """For what no official client asks for, or hides."""
    with httpx.Client(base_url=address, timeout=60) as http:
        yield http


def hello(**more: Any) -> dict[str, Any]:
    """A chat that is always answered alike."""
    asked = {"model": "cria", "messages": [{"role": "user", "content": "Hello"}], "think": False}
    return {**asked, "options": {"temperature": 0}, "stream": False, **more}
