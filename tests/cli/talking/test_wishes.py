"""What is wished of answers, from words; and what is told of them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from puna.cli.talking.answering import Reply
from puna.cli.talking.figures import figures
from puna.cli.talking.keyboard import is_open, unquoted
from puna.cli.talking.remembered import MOST, Remembered
from puna.cli.talking.waiting import told
from puna.cli.talking.wishes import Wishes, option, options, thinking
from puna.errors import BadRequest


def test_options_have_the_types_of_their_names() -> None:
    given = ["temperature=0.5", "seed=-1", "stop=a=b", "stop=c", "use_mmap=false", "top_k=1"]
    more = ["top_k=2", "ignore_eos=true", "dry_breakers=x"]
    assert options([*given, *more]) == {
        "temperature": 0.5,
        "seed": -1,
        "stop": ["a=b", "c"],
        "use_mmap": False,
        "top_k": 2,
        "ignore_eos": True,
        "dry_breakers": ["x"],
    }


def test_an_option_has_one_value_unless_it_is_texts() -> None:
    assert option("stop", ["a", "b"]) == ["a", "b"]
    with pytest.raises(BadRequest, match="top_k has one value"):
        option("top_k", ["1", "2"])


def test_thinking_is_a_word() -> None:
    assert [thinking(word) for word in ("true", "FALSE", "low")] == [True, False, "low"]


def test_another_model_is_asked_alike_and_its_options_are_its_own() -> None:
    wishes = Wishes("a", options={"seed": 1}, think=False)
    other = wishes.of("b")
    other.options["seed"] = 2
    assert (other.think, wishes.options) == (False, {"seed": 1})


@pytest.mark.parametrize(
    ("text", "open"),
    [
        ('"""', True),
        ('"""one', True),
        ('"""one"""', False),
        ('""""""', False),
        ('/set system """one', True),
        ('/set system """one"""', False),
        ('say """', False),
        ("", False),
    ],
)
def test_three_quotes_at_the_beginning_open_a_text(text: str, open: bool) -> None:
    assert is_open(text) == open


def test_only_quotes_around_a_text_are_taken_off() -> None:
    assert unquoted('"""a\n"""') == "a\n"
    assert unquoted('"""a""" b') == '"""a""" b'
    assert unquoted('""""') == '""""'


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"phase": "queued", "position": 3}, "waiting: 3 before this one"),
        ({"phase": "queued", "position": None}, "waiting: the next in the queue"),
        ({"phase": "prompt", "prompt_tokens": 3, "prompt_done": 2}, "reading the prompt: 66 %"),
        ({"phase": "prompt", "prompt_tokens": 0, "prompt_done": 0}, ""),
        ({"phase": "done"}, ""),
        ({}, ""),
    ],
)
def test_what_is_waited_for_is_told_in_words(record: dict[str, Any], words: str) -> None:
    assert told(record, "m") == words


def test_figures_are_written_as_ollama_writes_them() -> None:
    ending = {
        "total_duration": 1_500_000_000,
        "load_duration": 2_500_000,
        "prompt_eval_count": 10,
        "prompt_eval_duration": 100_000_000,
        "eval_count": 4,
        "eval_duration": 2_000_000_000,
    }
    assert list(figures(ending)) == [
        "total duration:       1.500s",
        "load duration:        2.500ms",
        "prompt eval count:    10 token(s)",
        "prompt eval duration: 100.000ms",
        "prompt eval rate:     100.00 tokens/s",
        "eval count:           4 token(s)",
        "eval duration:        2.000s",
        "eval rate:            2.00 tokens/s",
    ]
    assert list(figures({"eval_count": 0})) == []


def test_a_reply_is_a_message_once_something_has_come() -> None:
    reply = Reply()
    assert reply.message is None
    reply.add({"message": {"thinking": "Hm"}})
    reply.add({"message": {"content": "a"}})
    reply.add({"message": {"content": "b", "tool_calls": [{}]}, "done": True})
    assert reply.message == {
        "role": "assistant",
        "content": "ab",
        "thinking": "Hm",
        "tool_calls": [{}],
    }


def test_a_long_history_is_shortened_and_a_broken_line_left_out(tmp_path: Path) -> None:
    file = tmp_path / "history"
    lines = [json.dumps(f"line {number}") for number in range(2 * MOST)]
    file.write_text("\n".join([*lines, "{broken", "7"]) + "\n")
    typed = list(Remembered(file).load_history_strings())
    assert (typed[0], len(typed)) == (f"line {2 * MOST - 1}", MOST - 2)
    assert len(file.read_text().splitlines()) == MOST
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["history"]
