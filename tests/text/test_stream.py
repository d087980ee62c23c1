"""Streams of tokens as text: whatever the borders, the joined pieces are the whole."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.text.byte_pieces import Bytes

from puna.engine.vocabulary import Vocabulary
from puna.text.stream import TextStream
from puna.text.tokens import Specials

Vocabularies = Callable[[str], Vocabulary]

TEXT = (
    "The llama 🦙 grazes — ¡qué frío! 高原 на плато 😶\u200d🌫️ កាន់តែ\n"
    "\tdef f(x):\n\n        return x  # 3 ½\n"
)


@pytest.mark.parametrize("name", ["llama-spm", "phi-3", "deepseek-llm", "qwen2", "gemma-4"])
def test_a_stream_joined_is_the_librarys_own_text(name: str, vocabularies: Vocabularies) -> None:
    vocabulary = vocabularies(name)
    controls = sorted(Specials(vocabulary).hidden)
    plain = vocabulary.tokenize(TEXT, special=False)

    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    @given(st.data())
    def exact(data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(plain) - 1))
        tokens = plain[start : data.draw(st.integers(start, len(plain)))]
        for at in data.draw(st.lists(st.integers(0, len(tokens)), max_size=3)):
            tokens.insert(at, data.draw(st.sampled_from(controls)))
        stream = TextStream(vocabulary, hidden=controls, lead=vocabulary.lead)
        pieces = list[str]()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(tokens)), max_size=5)))
        for begin, end in zip([0, *cuts], [*cuts, len(tokens)], strict=True):
            pieces.append(stream.push(tokens[begin:end]))
        pieces.append(stream.finish())
        assert "".join(pieces) == vocabulary.detokenize(tokens).decode("utf-8", "replace")

    exact()


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(st.lists(st.one_of(st.binary(max_size=4), st.sampled_from("aé€🦙").map(str.encode))))
def test_broken_bytes_come_out_as_of_the_whole_and_no_piece_splits_a_character(
    pieces: list[bytes],
) -> None:
    stream = TextStream(Bytes(pieces))
    shown = ""
    whole = b"".join(pieces)
    for token in range(len(pieces)):
        shown += stream.push([token])
        assert whole.decode("utf-8", "replace").startswith(shown)
    assert shown + stream.finish() == whole.decode("utf-8", "replace")


def test_a_character_of_many_tokens_comes_with_the_last_of_them() -> None:
    llama = "🦙".encode()
    stream = TextStream(Bytes([b"a", llama[:1], llama[1:3], llama[3:] + b"b"]))
    assert [stream.push([token]) for token in range(4)] == ["a", "", "", "🦙b"]


def test_a_text_cut_inside_a_character_ends_with_a_replacement() -> None:
    stream = TextStream(Bytes([b"a", "🦙".encode()[:2]]))
    assert stream.push([0, 1]) == "a"
    assert stream.finish() == "\ufffd"


def test_control_tokens_are_shown_only_to_those_who_ask(vocabularies: Vocabularies) -> None:
    vocabulary = vocabularies("qwen2")
    tokens = vocabulary.tokenize("Hi<|im_end|>", special=True)
    hidden = Specials(vocabulary).hidden
    assert TextStream(vocabulary, hidden=hidden).push(tokens) == "Hi"
    assert TextStream(vocabulary).push(tokens) == "Hi<|im_end|>"


def test_the_space_before_the_first_word_goes_only_where_a_text_stands_alone(
    vocabularies: Vocabularies,
) -> None:
    vocabulary = vocabularies("llama-spm")
    tokens = vocabulary.tokenize("Hello world", special=False)
    assert TextStream(vocabulary, lead=vocabulary.lead).push(tokens) == "Hello world"
    assert TextStream(vocabulary).push(tokens) == " Hello world"
    assert vocabularies("qwen2").lead == b""
