"""Talks in a real terminal: what is typed, and what is seen. The model's words are a fake's."""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from tests.cli.talking.fake_server import FakeServer, fake_server
from tests.cli.talking.pixels import PNG
from tests.cli.talking.terminal import (
    CTRL_C,
    CTRL_D,
    CTRL_G,
    ENTER,
    HOME,
    LEFT,
    TAB,
    UP,
    Terminal,
    terminal,
)

Open = Callable[..., AbstractContextManager[Terminal]]


@pytest.fixture
def fake() -> Generator[FakeServer]:
    with fake_server() as fake:
        yield fake


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def talk(fake: FakeServer, home: Path) -> Open:
    """Opens a talk with the fake."""
    return partial(terminal, "run", "m", PUNA_HOST=fake.address, PUNA_HOME=str(home))


def said(fake: FakeServer) -> list[str]:
    """The contents of the messages that were sent last."""
    return [message["content"] for message in fake.asked[-1]["messages"]]


def test_what_is_typed_and_edited_is_asked_and_answered(talk: Open, fake: FakeServer) -> None:
    with talk() as t:
        t.prompted()
        assert "Send a message (/? for help)" in t.text
        t.type("helo" + LEFT + "l" + HOME + "Oh, " + ENTER)
        fake.say("Hi", " there.")
        fake.finish()
        t.prompted(2)
        assert t.text.startswith(">>> Oh, hello\nHi there.\n\n>>>")
        t.type("And then?" + ENTER)
        fake.say("Bye.")
        fake.finish()
        t.prompted(3)
        assert said(fake) == ["Oh, hello", "Hi there.", "And then?"]
        t.type("/bye" + ENTER)
        assert t.end() == 0


def test_ctrl_c_stops_an_answer_and_keeps_what_has_come(talk: Open, fake: FakeServer) -> None:
    with talk() as t:
        t.prompted()
        t.type("Tell" + ENTER)
        fake.say("once ", "upon ", "a ")
        t.until("once upon a")
        t.type(CTRL_C)
        t.prompted(2)
        # Whoever answers notices, and is free for the next.
        fake.say("time")
        fake.hang_up()
        t.type("Go on" + ENTER)
        t.until(lambda _: len(fake.asked) == 2)
        assert said(fake) == ["Tell", "once upon a ", "Go on"]
        fake.say("The end.")
        fake.finish()
        t.prompted(3)
        t.type(CTRL_D)
        assert t.end() == 0


def test_ctrl_c_before_anything_has_come_leaves_nothing(talk: Open, fake: FakeServer) -> None:
    fake.progress = {"phase": "loading"}
    with talk() as t:
        t.prompted()
        t.type("Tell" + ENTER)
        t.until("loading m")
        t.type(CTRL_C)
        t.prompted(2)
        assert "loading m" not in t.text
        fake.hang_up()
        t.type("Hi" + ENTER)
        t.until(lambda _: len(fake.asked) == 2)
        assert said(fake) == ["Hi"]


def test_ctrl_c_drops_a_line_and_hints_at_an_empty_one(talk: Open, fake: FakeServer) -> None:
    with talk() as t:
        t.prompted()
        t.type("never said")
        t.until("never said")
        t.type(CTRL_C)
        t.prompted(2)
        assert "Use Ctrl + d" not in t.text
        t.type(CTRL_C)
        t.until("Use Ctrl + d or /bye to exit.")
        t.prompted(3)
        t.type(CTRL_D)
        assert t.end() == 0
    assert fake.asked == []


def test_a_pasted_text_of_several_lines_is_one_message(talk: Open, fake: FakeServer) -> None:
    with talk() as t:
        t.prompted()
        t.paste("one\n\n  two\nthree")
        t.until("three")
        assert fake.asked == []
        t.type(ENTER)
        t.until(lambda _: len(fake.asked) == 1)
        assert said(fake) == ["one\n\n  two\nthree"]


def test_three_quotes_begin_and_end_a_message_of_several_lines(
    talk: Open, fake: FakeServer
) -> None:
    with talk() as t:
        t.prompted()
        t.type('"""one' + ENTER)
        t.until("\n...")
        t.type("two" + ENTER + 'three"""' + ENTER)
        t.until(lambda _: len(fake.asked) == 1)
        assert said(fake) == ["one\ntwo\nthree"]


def test_a_window_may_change_its_size_at_any_time(talk: Open, fake: FakeServer) -> None:
    words = "stone by stone a wall is laid upon the plain of grass"
    with talk(columns=80) as t:
        t.prompted()
        t.type("Tell" + ENTER)
        fake.say(words, "\n\n")
        t.until(words)
        t.resize(30)
        fake.say(words, "\n")
        t.until("stone by stone a wall is laid\nupon the plain of grass")
        fake.finish()
        t.prompted(2)
        t.resize(60)
        t.type("typed in another size")
        t.until(">>> typed in another size")
        t.type(ENTER)
        t.until(lambda _: len(fake.asked) == 2)
        assert said(fake)[-1] == "typed in another size"


def test_markdown_is_set_and_thinking_is_dim(talk: Open, fake: FakeServer) -> None:
    with talk() as t:
        t.prompted()
        t.type("Hi" + ENTER)
        fake.say("\nHm **so**.", kind="thinking")
        fake.say(
            "\n# Ti", "tle\n- on", "e *or* `two`\n```py\n", "x = 1\n``", "`\n|a|b|\n\x1b[31mred"
        )
        fake.finish()
        t.prompted(2)
        assert t.text.startswith(
            ">>> Hi\nThinking...\nHm **so**.\n...done thinking.\n\n"
            "Title\n• one or two\n```py\nx = 1\n```\n|a|b|\n␛[31mred\n\n>>>"
        )
        assert t.style("Title") == {"bold", "underscore"}
        assert t.style("or two") == {"italics"}
        assert t.style("two") == t.style("x = 1") == {"cyan"}
        assert "\x1b[2mThinking..." in t.output
        assert "\x1b[2mHm" in t.output


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_where_no_colours_are_wanted_markdown_stays(
    fake: FakeServer, plain: dict[str, str]
) -> None:
    fake.say("Hm.", kind="thinking")
    fake.say("**b** `c`")
    fake.finish()
    here = {"PUNA_HOST": fake.address, **plain}
    with terminal("run", "m", "Hi", columns=80, **here) as t:
        assert t.end() == 0
        assert t.output == "Thinking...\r\nHm.\r\n...done thinking.\r\n\r\n**b** `c`\r\n"


def test_what_is_waited_for_is_told_until_the_answer_comes(talk: Open, fake: FakeServer) -> None:
    steps = [
        ({"phase": "queued", "position": 2}, "waiting: 2 before this one"),
        ({"phase": "queued", "position": 0}, "waiting: the next in the queue"),
        ({"phase": "loading"}, "loading m"),
        ({"phase": "prompt", "prompt_tokens": 200, "prompt_done": 90}, "reading the prompt: 45 %"),
        ({"phase": "paused"}, "paused: others go first"),
    ]
    with talk("--hidethinking", "Hi") as t:
        for progress, words in steps:
            fake.progress = progress
            t.until(words)
        fake.progress = {"phase": "generating", "output_tokens": 7}
        fake.say("Hm.", kind="thinking")
        t.until("thinking: 7 tokens")
        fake.say("Now.")
        fake.finish()
        assert t.end() == 0
        assert t.text == "Now."


def test_commands_and_their_words_are_completed(talk: Open, fake: FakeServer) -> None:
    fake.models = ["llama:latest", "llama:3b", "puma:latest"]
    with talk() as t:
        t.prompted()
        t.type("/se" + TAB)
        t.until("/set")
        t.type(" par" + TAB)
        t.until("/set parameter")
        t.type(" top" + TAB)
        t.until("top_")
        t.type(TAB)
        t.until("top_k")
        t.type(CTRL_C)
        t.prompted(2)
        t.type("/load pu" + TAB)
        t.until("/load puma")
        t.type(CTRL_C)
        # What is no command is text.
        t.prompted(3)
        t.type("se" + TAB + "t" + ENTER)
        t.until(lambda _: len(fake.asked) == 1)
        assert said(fake) == ["set"]


def test_what_was_typed_is_remembered_by_its_owner_alone(
    talk: Open, fake: FakeServer, home: Path
) -> None:
    with talk() as t:
        t.prompted()
        t.type("first\x1b\rof two" + ENTER)
        fake.finish()
        t.prompted(2)
        t.type("/set nohistory" + ENTER)
        t.prompted(3)
        t.type("secret" + ENTER)
        fake.finish()
        t.prompted(4)
        t.type(CTRL_D)
        t.end()
    lines = [json.loads(line) for line in (home / "history").read_text().splitlines()]
    assert lines == ["first\nof two", "/set nohistory"]
    assert (home / "history").stat().st_mode & 0o777 == 0o600
    with talk() as t:
        t.prompted()
        t.type(UP + UP)
        t.until("of two")
        t.type(ENTER)
        t.until(lambda _: len(fake.asked) == 3)
        assert said(fake) == ["first\nof two"]


def test_a_home_that_cannot_be_written_to_keeps_nobody_from_talking(
    fake: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    here = {"PUNA_HOST": fake.address, "PUNA_HOME": str(tmp_path / "file/home")}
    with terminal("run", "m", columns=80, **here) as t:
        t.prompted()
        t.type("Hi" + ENTER)
        fake.say("Hello.")
        fake.finish()
        t.prompted(2)
        t.type(CTRL_D)
        assert t.end() == 0


def test_a_text_can_be_written_in_an_editor(talk: Open, fake: FakeServer, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "written there" > "$1"\n')
    editor.chmod(0o755)
    with talk(VISUAL=str(editor), EDITOR=str(editor)) as t:
        t.prompted()
        t.type("draft" + CTRL_G)
        t.until("written there")
        t.type(ENTER)
        t.until(lambda _: len(fake.asked) == 1)
        assert said(fake) == ["written there"]


def test_what_is_set_goes_along_with_every_question(
    talk: Open, fake: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "s.json").write_text('{"type": "object"}')
    lines = [
        ("/set system Be kind.", "Set system message."),
        ("/set parameter temperature 0.5", "Set parameter 'temperature' to '0.5'"),
        ("/set parameter stop a b", "Set parameter 'stop' to 'a, b'"),
        (f"/set format {tmp_path}/s.json", "Set format to"),
        ("/set think high", "Set 'think' mode to 'high'."),
        ("/set verbose", "Set 'verbose' mode."),
        ("/set parameter top_k x", "top_k is 'x', it must be a whole number"),
        ("/set nonsense", "Unknown command '/set nonsense'"),
        ("/nonsense", "Unknown command '/nonsense'. Type /? for help"),
        ("/set", "/set nowordwrap"),
        ("/set parameter", "/set parameter num_ctx <int>"),
        ("/? shortcuts", "Ctrl + w"),
        ("/help", "/load <model>"),
    ]
    with talk("--keepalive", "5m", columns=160) as t:
        t.prompted()
        for number, (line, told) in enumerate(lines, 2):
            t.type(line + ENTER)
            assert told in t.prompted(number)
        t.type("Hi" + ENTER)
        fake.say("**b**")
        fake.finish(eval_count=3, eval_duration=2_000_000_000)
        shown = t.prompted(len(lines) + 2)
        # What has a format of its own is no Markdown.
        assert "**b**" in shown
        assert "eval duration:        2.000s\neval rate:            1.50 tokens/s" in shown
        assert fake.asked[-1] == {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Hi"},
            ],
            "options": {"temperature": 0.5, "stop": ["a", "b"]},
            "format": {"type": "object"},
            "think": "high",
            "keep_alive": "5m",
        }
        ends = ["/set nothink", "/set noformat", "/set quiet", "/set nowordwrap", "/clear"]
        for number, line in enumerate(ends, len(lines) + 3):
            t.type(line + ENTER)
            t.prompted(number)
        t.type("Hi again" + ENTER)
        t.until(lambda _: len(fake.asked) == 2)
        assert said(fake) == ["Be kind.", "Hi again"]
        assert (fake.asked[-1]["think"], "format" in fake.asked[-1]) == (False, False)


def test_a_system_message_may_have_several_lines(talk: Open, fake: FakeServer) -> None:
    with talk() as t:
        t.prompted()
        t.type('/set system """Be kind.' + ENTER + 'Be short."""' + ENTER)
        t.until("Set system message.")
        t.prompted(2)
        t.type("Hi" + ENTER)
        t.until(lambda _: len(fake.asked) == 1)
        assert said(fake) == ["Be kind.\nBe short.", "Hi"]


def test_an_error_ends_an_answer_and_not_the_talk(talk: Open, fake: FakeServer) -> None:
    with talk() as t:
        t.prompted()
        t.type("Hi" + ENTER)
        fake.say("half an ")
        fake.lines.put(None)
        t.until("does not answer")
        t.prompted(2)
        t.type("Hi again" + ENTER)
        fake.say("whole")
        fake.finish()
        t.prompted(3)
        assert said(fake) == ["Hi again"]


def test_the_conversation_that_a_model_begins_with_is_shown(talk: Open, fake: FakeServer) -> None:
    fake.begun = [
        {"role": "user", "content": "What are you?"},
        {"role": "assistant", "content": "A **llama**."},
    ]
    with talk() as t:
        t.prompted(2)
        assert t.text.startswith(">>> What are you?\nA llama.\n\n>>>")
        assert t.style("llama.") == {"bold"}


def test_an_image_is_shown_to_a_model_that_sees(
    talk: Open, fake: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "text.png").write_text("meow")
    fake.capabilities = ["completion", "vision"]
    with talk(columns=300) as t:
        t.prompted()
        # As a terminal writes the path of a file that is dropped on it.
        t.type(f"{tmp_path}/cat.png who is this?" + ENTER)
        t.until(f"Added image '{tmp_path}/cat.png'")
        fake.say("A cat.")
        fake.finish()
        t.prompted(2)
        (message,) = fake.asked[-1]["messages"]
        assert (message["content"], len(message["images"])) == ("who is this?", 1)
        t.type(f"and {tmp_path}/text.png?" + ENTER)
        t.until("text.png: An image is of no known kind.")
        t.prompted(3)
        assert len(fake.asked) == 1


def test_a_talk_needs_a_terminal(fake: FakeServer, tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = f"exec {sys.executable} -m puna run m > {out}"
    with terminal("-c", line, program="/bin/sh", PUNA_HOST=fake.address) as t:
        assert t.end() == 2
        assert "A talk needs a terminal; give a prompt, or pipe one in." in t.text
        assert out.read_text() == ""


def test_an_answer_may_be_piped_on_from_a_terminal(fake: FakeServer) -> None:
    fake.progress = {"phase": "loading"}
    line = f"echo a story | {sys.executable} -m puna run m Sum up | tr a-z A-Z"
    with terminal("-c", line, program="/bin/sh", PUNA_HOST=fake.address) as t:
        t.until("loading m")
        fake.say("**done**")
        fake.finish()
        t.end()
        assert t.text == "**DONE**"
    assert said(fake) == ["a story\n Sum up"]
