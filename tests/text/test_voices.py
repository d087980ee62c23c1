"""A model's voices: each template's own, a few kept, none in another's way."""

import gc
from collections.abc import Iterator

import psutil
import pytest

from puna.jobs import message
from puna.text.templates import Template
from puna.text.voices import MAX_VOICES, Voices

ASKED = (message("user", "Hello"),)


@pytest.fixture
def voices() -> Iterator[Voices]:
    made = Voices(Template())
    yield made
    made.close()


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def source(number: int) -> str:
    return f"{number}{{{{ range .Messages }}}}{{{{ .Content }}}}{{{{ end }}}}"


def test_without_a_template_of_its_own_a_job_has_the_models(voices: Voices) -> None:
    assert voices.of("") is voices.own
    assert voices.of(source(1)) is voices.of(source(1))
    assert voices.of(source(1)) is not voices.of(source(2))


def test_only_the_last_few_are_kept_and_those_dropped_end_with_their_processes(
    voices: Voices,
) -> None:
    before = children()
    for number in range(MAX_VOICES + 3):
        assert voices.of(source(number)).template.render(ASKED) == f"{number}Hello"
    gc.collect()
    assert len(children() - before) == MAX_VOICES


def test_one_that_is_dropped_still_serves_who_holds_it(voices: Voices) -> None:
    held = voices.of(source(0))
    for number in range(1, MAX_VOICES + 2):
        voices.of(source(number))
    assert voices.of(source(0)) is not held
    assert held.template.render(ASKED) == "0Hello"


def test_markup_is_learnt_from_each_template_by_itself(voices: Voices) -> None:
    thinking = (
        '{{ range .Messages }}{{ if eq .Role "user" }}<u>{{ .Content }}{{ else }}<a>'
        "{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}</a>{{ end }}"
        "{{ end }}<a>"
    )
    assert voices.of(thinking).markup.thinking
    assert not voices.own.markup.thinking
