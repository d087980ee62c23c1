"""The README's picture of a terminal: what is there, and that it can be drawn anew."""

from xml.etree import ElementTree

import draw_terminal
import pytest
from tests.clients.conftest import serving
from tests.test_documented import fault_of

MOST_BYTES = 100_000


def test_the_picture_is_small_and_fetches_nothing() -> None:
    text = draw_terminal.PICTURE.read_text()
    assert len(text) < MOST_BYTES
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_picture_shows_commands_that_there_are() -> None:
    texts = [one.text or "" for one in ElementTree.parse(draw_terminal.PICTURE).iter()]
    typed = [text.removeprefix("$ ") for text in texts if text.startswith("$ ")]
    assert typed
    for line in typed:
        assert fault_of(line) is None, "Run python scripts/draw_terminal.py."


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_picture_can_be_drawn_anew(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("home")) as address:
        rows = draw_terminal.shown(address)
    lines = [draw_terminal.text_of(cells).rstrip() for cells in rows]
    for typed, _ in draw_terminal.SESSION:
        assert any(line.endswith(typed) for line in lines), typed
    assert any(line.startswith("cria:latest") for line in lines)
    drawn = ElementTree.fromstring(draw_terminal.drawn(rows))
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}text"))) > len(draw_terminal.SESSION)
