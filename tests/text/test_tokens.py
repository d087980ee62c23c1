"""Tokenising by real vocabularies: the library's own results, and specials where it sees them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.engine.vocabulary import Vocabulary
from puna.text.tokens import Special, Specials

Vocabularies = Callable[[str], Vocabulary]

RECORDED = [
    "bert-bge",
    "command-r",
    "deepseek-coder",
    "deepseek-llm",
    "falcon",
    "gemma-4",
    "gpt-2",
    "llama-bpe",
    "llama-spm",
    "mpt",
    "phi-3",
    "qwen2",
    "qwen35",
    "refact",
    "starcoder",
]
# One of each kind that treats special tokens differently.
KINDS = ["llama-spm", "phi-3", "qwen2", "command-r", "gpt-neox", "falcon", "nomic-bert-moe"]


def cases(file: Path) -> Iterator[tuple[str, list[int]]]:
    border = "\n__ggml_vocab_test__\n"
    texts = file.with_suffix(".gguf.inp").read_bytes().decode().removesuffix(border).split(border)
    lines = file.with_suffix(".gguf.out").read_text().splitlines()
    assert len(texts) == len(lines) > 30
    for text, line in zip(texts, lines, strict=True):
        yield text, [int(token) for token in line.split()]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_cases_come_out_as_recorded(
    name: str, vocabularies: Vocabularies, llama_source: Path
) -> None:
    specials = Specials(vocabularies(name))
    for text, tokens in cases(llama_source / "models" / f"ggml-vocab-{name}.gguf"):
        assert specials.plain(text) == tokens, text


@pytest.mark.parametrize("name", KINDS)
def test_a_partition_tokenised_is_what_the_library_makes_of_the_whole(
    name: str, vocabularies: Vocabularies
) -> None:
    vocabulary = vocabularies(name)
    specials = Specials(vocabulary)
    names = [special.text for special in vocabulary.specials]
    words = [
        "",
        " ",
        "  ",
        "\n",
        "\t \r\n",
        "a",
        "Hello world",
        "</",
        ">",
        "🦙",
        "<|",
        "é</s",
        "<s",
    ]
    pieces = st.one_of(st.sampled_from(names), st.sampled_from(words))

    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @given(st.lists(pieces, max_size=12).map("".join))
    def equal(text: str) -> None:
        tokens = list[int]()
        for fragment in specials.partition(text):
            if isinstance(fragment, int):
                tokens.append(fragment)
            else:
                tokens += vocabulary.tokenize(fragment, special=False)
        assert tokens == vocabulary.tokenize(text, special=True)

    equal()


@pytest.mark.parametrize("name", ["llama-spm", "phi-3", "qwen2"])
def test_a_text_that_goes_on_another_gets_no_space_in_front(
    name: str, vocabularies: Vocabularies
) -> None:
    vocabulary = vocabularies(name)
    for text in ("world", " world", "|>", "\n\nx", "🦙", ""):
        tokens = Specials(vocabulary).continued(text)
        assert b"".join(map(vocabulary.piece, tokens)).decode() == text


class Overlapping:
    """A vocabulary whose names run into one another, to see which of them is found."""

    bos = None
    adds_bos = False
    lead = b""

    def __init__(self, *specials: Special) -> None:
        self.specials = specials

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        return [1000 + ord(char) for char in text]

    def piece(self, token: int) -> bytes:
        return chr(token - 1000).encode()


def test_the_longest_name_is_found_first_wherever_it_stands() -> None:
    specials = Specials(
        Overlapping(
            Special(1, "<a>", "control"),
            Special(2, "b<a>cd", "user"),
            Special(3, "cd<", "control", strips_left=True, strips_right=True),
        )
    )
    assert specials.partition("xb<a>cd<a>") == ["x", 2, 1]
    assert specials.partition("<a> cd<  y <a>") == [1, 3, "y ", 1]
    assert specials.partition("") == []


def test_a_pipe_in_brackets_makes_a_user_defined_token_a_turn_marker() -> None:
    marks = ["<|start|>", "<｜User｜>", "[|user|]", "<|tool_call>", "<tool_call|>"]
    words = ["<think>", "<table>", "   ", "[PAD7]", "||"]
    assert all(Special(1, text, "user").protected for text in marks)
    assert not any(Special(1, text, "user").protected for text in words)
    assert Special(1, "x", "control").protected
