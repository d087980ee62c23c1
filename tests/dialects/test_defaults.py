"""What a model brings to a job, and what the request says over it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from puna.dialects.defaults import Defaults, Think
from puna.errors import MissingCapability
from puna.jobs import Message, message
from puna.models.model import Model
from puna.models.names import Name

ASKED = (message("user", "Who are you?"),)
OWN = (message("user", "Hello"), message("assistant", "Hi"))


def defaults(*capabilities: str, **model: Any) -> Defaults:
    bare = Model(Name("zorbo"), "0" * 64, (), 0, datetime.now(UTC), **model)
    return Defaults("zorbo", bare, frozenset(capabilities))


def texts(messages: tuple[Message, ...]) -> list[str]:
    return [f"{one.role}: {one.text}" for one in messages]


def test_a_models_system_prompt_and_messages_come_first() -> None:
    found = defaults(system="I am Zorbo.", messages=OWN).conversation(ASKED)
    assert texts(found) == [
        "system: I am Zorbo.",
        "user: Hello",
        "assistant: Hi",
        "user: Who are you?",
    ]


def test_a_system_prompt_that_is_asked_for_takes_the_place_of_the_models() -> None:
    asked = (message("system", "Be brief."), *ASKED)
    found = defaults(system="I am Zorbo.", messages=OWN).conversation(asked)
    assert [one for one in texts(found) if one.startswith("system")] == ["system: Be brief."]
    assert defaults(system="I am Zorbo.").system("Be brief.")[0].text == "Be brief."


def test_a_model_without_any_adds_nothing() -> None:
    assert defaults().conversation(ASKED) == ASKED
    assert defaults().system() == ()


def test_options_lie_over_the_models_parameters() -> None:
    own = {"temperature": 0.1, "stop": ["a", "b"], "num_ctx": 64}
    options = defaults(parameters=own).options({"temperature": 0.9, "stop": ["c"], "num_ctx": None})
    assert options.sampling().temperature == 0.9
    assert options.limits().stop == ("c",)
    assert options.fit(truncate=True, shift=True).context == 64


def test_a_model_that_thinks_does_so_unless_told_otherwise() -> None:
    thinking = defaults("thinking")
    asked: list[Think] = [None, True, False, "low"]
    assert [thinking.think(each) for each in asked] == [True, True, False, "low"]


def test_a_model_that_does_not_think_is_only_refused_who_asks_it_to() -> None:
    assert defaults().think(None) is None
    assert defaults().think(False) is None
    for asked in (True, "low"):
        with pytest.raises(MissingCapability, match="'zorbo' does not support thinking"):
            defaults().think(asked)


def test_what_is_missing_is_named() -> None:
    defaults("tools").require("tools")
    with pytest.raises(MissingCapability, match="'zorbo' does not support tools"):
        defaults("completion").require("tools")
