"""The shipped model, asked through the real engine: what the card says of it holds."""

from collections.abc import Iterator

import pytest
from conversation import Conversation, assistant, prompt, user
from evaluate import ENFORCED, SHIPPED, held_out, report
from herd import Herd

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    loaded = Herd(SHIPPED, threads=2)
    yield loaded
    loaded.close()


def said(herd: Herd, text: str) -> str:
    conversation = Conversation("", [user(text), assistant("")])
    ((reply, _),) = herd.answers([prompt(conversation)])
    return reply


def test_it_takes_no_more_room_in_the_package_than_promised():
    assert SHIPPED.stat().st_size <= 8 * MEGABYTE


def test_it_stops_by_itself_almost_whatever_it_is_asked(herd):
    asked = [prompt(each) for each in held_out(each=6, seed=3)]
    stopped = [stopped for _, stopped in herd.answers(asked)]
    assert sum(stopped) >= 0.98 * len(stopped)


def test_it_says_the_same_twice_at_temperature_0(herd):
    assert said(herd, "What is Puna?") == said(herd, "What is Puna?")


def test_it_greets(herd):
    assert said(herd, "Hello") == "Hello! How can I help you?"


def test_it_says_what_it_is(herd):
    assert said(herd, "Who are you?") == "I am Cria, the pocket model of Puna."


def test_it_is_about_as_good_as_its_card_says():
    found = report(SHIPPED, each=15, seed=5, threads=2, shown=0)
    sums = ("adds, thinking", "adds, not thinking")
    sure = ("tools: answer", "tools: plain", "greets", "facts", "owns up", *sums)
    for skill in (*sure, "remembers", "keeps the persona", "tells stories"):
        assert found[skill] >= 0.85, skill
    for skill in ("tools: call", "extracts"):
        assert found[skill] >= 0.8, skill
    assert found[ENFORCED] == 1
