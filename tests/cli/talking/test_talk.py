"""Talks with the pocket model and a real server, in a real terminal."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from tests.cli.talking.terminal import CTRL_C, CTRL_D, ENTER, Terminal, terminal
from tests.clients.conftest import serving

Open = Callable[..., AbstractContextManager[Terminal]]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home"), PUNA_SEQUENCES="1") as address:
        yield address


@pytest.fixture
def talk(address: str, tmp_path: Path) -> Open:
    return partial(terminal, "run", "cria", PUNA_HOST=address, PUNA_HOME=str(tmp_path / "home"))


def shown(address: str, model: str) -> dict[str, Any]:
    return httpx.post(f"{address}/api/show", json={"model": model}, timeout=60).json()


def latest(address: str) -> dict[str, Any]:
    return httpx.get(f"{address}/puna/v1/jobs", params={"limit": 1}, timeout=60).json()["jobs"][0]


def test_an_answer_is_stopped_in_the_server_too_and_the_talk_goes_on(
    talk: Open, address: str
) -> None:
    with talk("--think=false") as t:
        t.prompted()
        t.type("/set parameter ignore_eos true" + ENTER)
        t.prompted(2)
        t.type("Tell me a story" + ENTER)
        t.until(lambda text: len(text.partition("a story\n")[2]) > 40)
        t.type(CTRL_C)
        t.prompted(3)
        t.until(lambda _: latest(address)["ended"] is not None)
        assert latest(address)["phase"] == "cancelled"
        t.type("/set parameter num_predict 9" + ENTER)
        t.prompted(4)
        t.type("Hello" + ENTER)
        t.prompted(5)
        assert latest(address)["phase"] == "done"
        t.type(CTRL_D)
        assert t.end() == 0


@contextmanager
def another(address: str) -> Generator[Callable[[], None]]:
    """The only seat is taken for as long as nobody calls what is given, by one who reads on."""
    endless = {
        "model": "cria",
        "messages": [{"role": "user", "content": "Hello"}],
        "options": {"ignore_eos": True, "num_predict": 10_000_000},
    }
    seated, leaving = Event(), Event()

    def sit() -> None:
        with httpx.stream("POST", f"{address}/api/chat", json=endless, timeout=60) as answer:
            for _ in answer.iter_lines():
                seated.set()
                if leaving.is_set():
                    return

    def leave() -> None:
        leaving.set()
        sitting.result()

    with ThreadPoolExecutor(1) as pool:
        sitting = pool.submit(sit)
        try:
            while not seated.wait(1):
                assert not sitting.done(), sitting.exception()
            yield leave
        finally:
            leaving.set()


def test_who_waits_for_another_is_told_so(talk: Open, address: str) -> None:
    with another(address) as leave, talk("Hello", "--think=false") as t:
        t.until("waiting: the next in the queue")
        leave()
        assert t.end() == 0
        assert t.text
        assert "waiting" not in t.text


def test_a_talk_is_saved_as_a_model_and_loaded_again(talk: Open, address: str) -> None:
    with talk("--think=false") as t:
        t.prompted()
        lines = ["/set system Be kind.", "/set parameter temperature 0", "Hello"]
        for number, line in enumerate([*lines, "/save ns/kind"], 2):
            t.type(line + ENTER)
            t.prompted(number)
        assert "Created new model 'ns/kind'" in t.text
        kept = shown(address, "ns/kind")
        assert kept["system"] == "Be kind."
        assert kept["parameters"].split() == ["temperature", "0"]
        assert [message["role"] for message in kept["messages"]] == ["user", "assistant"]
        answer = kept["messages"][1]["content"]
        assert kept["messages"][0]["content"] == "Hello"
        assert answer.split()[0] in t.text
        t.type("/clear" + ENTER)
        t.prompted(6)
        t.type("/load ns/kind" + ENTER)
        # What it begins with is shown.
        again = t.prompted(8)
        assert "Loading model 'ns/kind'\n>>> Hello\n" in again
        t.type("/load nope" + ENTER)
        t.until("'nope:latest' was not found")
        t.prompted(9)
        t.type("/show system" + ENTER)
        assert "Be kind." in t.prompted(10).rpartition("/show system")[2]


def test_what_is_known_of_the_model_and_of_the_talk_is_shown(talk: Open) -> None:
    shows = [
        ("info", "architecture"),
        ("license", "No license was specified for this model."),
        ("modelfile", "FROM"),
        ("parameters", "  No additional parameters were specified for this model."),
        ("system", "No system message was specified for this model."),
        ("template", "message"),
        ("", "/show license"),
        ("nonsense", "Unknown command '/show nonsense'"),
    ]
    with talk("-o", "temperature=0.5", columns=200) as t:
        t.prompted()
        for number, (what, seen) in enumerate(shows, 2):
            t.type(f"/show {what}" + ENTER)
            answer = t.prompted(number).rpartition(f">>> /show {what}".strip())[2]
            assert seen in answer
        assert "User defined parameters:\n  temperature                    0.5\n" in t.text
