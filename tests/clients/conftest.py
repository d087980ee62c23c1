"""A live server, as `puna serve` runs it, for real clients: real runners, the pocket model."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import ollama
import pytest
from tests.serving import served

from .blocking import Blocking


@contextmanager
def serving(home: Path, **settings: str) -> Generator[str]:
    """A server that computes on one thread, by its address."""
    with served(home, "--threads", "1", settings=settings) as server:
        yield server.address


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
