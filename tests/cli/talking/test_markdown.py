"""Markdown as it streams: how it looks, and that it looks the same however it is cut."""

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from puna.cli.talking.markdown import Markdown
from puna.cli.talking.paper import Paper, harmless
from puna.cli.talking.spans import REACH

BOLD, ITALIC, DIM, CODE, OFF = "\x1b[1m", "\x1b[3m", "\x1b[2m", "\x1b[36m", "\x1b[0m"
HEADING = "\x1b[1;4m"
STYLES = re.compile(r"\x1b\[[0-9;]*m")

EVERYTHING = """\
# Llamas
A *llama* is **not** a ***goat***, but `a * b` is ~~code~~.

- one **thing**
  1. two \\*things\\*
* * *
> quoted `text`
> > twice
```python
def f(x):  # **not bold**
    return `x`
```
| a | **b** |
|---|---|
2 * 3 * 4, *args and **kwargs, snake_case_name, __init__
- [ ] a task
"""


def shown(*pieces: str, width: int = 0) -> str:
    """What a terminal gets for a text in these pieces."""
    written: list[str] = []
    markdown = Markdown(Paper(written.append, (lambda: width) if width else None))
    for piece in pieces:
        markdown.feed(piece)
    markdown.close()
    return "".join(written)


def legible(*pieces: str, width: int = 0) -> str:
    return STYLES.sub("", shown(*pieces, width=width))


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("**bold** text", f"{BOLD}bold{OFF} text"),
        ("*it* **b**", f"{ITALIC}it{OFF} {BOLD}b{OFF}"),
        ("***both***", f"\x1b[1;3mboth{OFF}"),
        ("**bold *and italic***", f"{BOLD}bold {OFF}\x1b[1;3mand italic{OFF}"),
        ("*it **and bold***", f"{ITALIC}it {OFF}\x1b[3;1mand bold{OFF}"),
        ("~~gone~~", f"\x1b[9mgone{OFF}"),
        ("`code`", f"{CODE}code{OFF}"),
        ("`` a ` b ``", f"{CODE}a ` b{OFF}"),
        ("`**code**`", f"{CODE}**code**{OFF}"),
        ("# One", f"{HEADING}One{OFF}"),
        ("### Three", f"{BOLD}Three{OFF}"),
        ("- one", "• one"),
        ("  * deep", "  • deep"),
        ("12. twelve", "12. twelve"),
        ("> said", f"{DIM}│ {OFF}said"),
        ("---", f"{DIM}{'─' * 40}{OFF}"),
        ("```py\nx = 1\n```", f"{DIM}```py{OFF}\n{CODE}x = 1{OFF}\n{DIM}```{OFF}"),
        ("| a | **b** |", f"| a | {BOLD}b{OFF} |"),
    ],
)
def test_what_is_marked_is_set_apart(text: str, looks: str) -> None:
    assert shown(text) == looks


@pytest.mark.parametrize(
    "text",
    [
        "2 * 3 * 4 = 24",
        "f(*args, **kwargs)",
        "a*b*c",
        "snake_case_name and __init__",
        "**never closed",
        "`never closed",
        "ends with *",
        "ends with \\",
        "#hashtag",
        "-dash, 1.5, +1",
        "a ****",
        "~x~",
        "C:\\path\\name",
        f"*{'far ' * (REACH // 4)}away*",
    ],
)
def test_what_marks_nothing_stays_as_it_is(text: str) -> None:
    assert shown(text) == text


def test_an_escaped_marker_is_itself() -> None:
    assert shown(r"\*not italic\* and 1\. no list") == "*not italic* and 1. no list"


def test_a_fence_ends_only_with_one_as_long() -> None:
    assert legible("````\n```\n````\n**x**").endswith("x")
    assert CODE in shown("````\n```\n````")


def test_code_in_a_quote_ends_in_it() -> None:
    assert BOLD in shown("> ```\n> x\n> ```\n**after**")


def test_nothing_in_code_is_marked_or_broken() -> None:
    long = "x = " + "1 + " * 50
    assert legible(f"```\n{long}**2\n```", width=40) == f"```\n{long}**2\n```"


def test_lines_break_between_words_and_hang_below_their_beginning() -> None:
    text = "- one two three four five six seven"
    assert legible(text, width=22) == "• one two three four\n  five six seven"
    quoted = "> one two three four five six"
    assert legible(quoted, width=22) == "│ one two three four\n│ five six"


def test_wide_signs_break_where_they_must() -> None:
    lines = legible("山" * 25, width=22).split("\n")
    assert [len(line) for line in lines] == [10, 10, 5]


def test_a_word_longer_than_a_line_is_cut() -> None:
    assert legible("x" * 30, width=22) == "x" * 21 + "\n" + "x" * 9


def test_no_style_outlives_the_text() -> None:
    for end in range(len(EVERYTHING)):
        looks = shown(EVERYTHING[:end])
        assert looks.rfind(OFF) >= looks.rfind("\x1b["), EVERYTHING[:end]


def test_every_place_to_cut_a_text_leaves_it_the_same() -> None:
    whole = shown(EVERYTHING, width=30)
    for at in range(len(EVERYTHING) + 1):
        assert shown(EVERYTHING[:at], EVERYTHING[at:], width=30) == whole
    assert shown(*EVERYTHING, width=30) == whole


MARKED = st.text(st.sampled_from(list("*`~_\\#->|. \n1ab山\t")), max_size=120)


@given(MARKED, st.integers(0, 2**32), st.sampled_from([0, 20, 33]))
@example("***a** b*", 0, 0)
@example("``` `\n", 1, 0)
@example("> > ```\n> x", 2, 20)
@example("*" * (REACH + 5) + "a*", 3, 0)
@example("- " * REACH + "x", 4, 0)
@example(" " * 300 + "# x", 5, 0)
@example(">" * 100 + "x", 6, 20)
@example("`" + "a" * REACH + "`", 7, 0)
@example("`" + "a" * (REACH + 1) + "`", 8, 0)
@example("#" + " " * (REACH + 3) + "x", 9, 0)
def test_any_text_looks_the_same_however_it_is_cut(text: str, seed: int, width: int) -> None:
    chance = random.Random(seed)
    cuts = sorted(chance.randint(0, len(text)) for _ in range(chance.randint(0, 9)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = shown(text, width=width)
    assert shown(*pieces, width=width) == whole
    assert shown(*text, width=width) == whole


WORDS = st.text(st.sampled_from(list("abc xyz 山é.,\n")), max_size=200)


@given(WORDS)
def test_nothing_of_what_is_written_is_lost(text: str) -> None:
    assert legible(text, width=25).split() == text.split() or "山" in text
    assert legible(text).split() == text.split()


@given(MARKED)
def test_signs_are_only_ever_taken_away_as_markers(text: str) -> None:
    kept = [sign for sign in text if sign in "ab山"]
    assert [sign for sign in legible(text) if sign in "ab山"] == kept


@given(st.text(max_size=50))
def test_no_text_commands_the_terminal(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", harmless(text))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", legible(harmless(text)))


def test_a_flood_of_markers_is_shown_in_no_time() -> None:
    for sign in ("*", "`", "- ", "> ", "~", "#", " ", "\\", "*a ", "`a`` "):
        flood = sign * 20_000 + "x"
        assert shown(*(flood[at : at + 2] for at in range(0, len(flood), 2))).endswith("x")
