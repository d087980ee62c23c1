"""Answers as servers of both kinds send them, cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bench.asking import Ask, Message, Told
from puna.bench.dialect import Dialect, Manner, body_of, complaint, merged, read_exchange
from puna.bench.ollama import Ollama
from puna.bench.openai import OpenAI
from puna.bench.server import read_address
from puna.bench.wire import Exchange, Part
from puna.errors import BadSetting

CHAT = Ask("chat", (Message("user", "Hello"),), 9)
OLLAMA = (
    b'{"message":{"role":"assistant","content":"","thinking":"Hm"},"done":false}\n'
    b'{"message":{"role":"assistant","content":"Hi \xc3\xa9"},"done":false}\n'
    b'{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",'
    b'"prompt_eval_count":7,"eval_count":3}\n'
)
OPENAI = (
    b": a comment\n\n"
    b'data: {"choices":[{"delta":{"role":"assistant","content":null}}],"usage":null}\n\n'
    b'data: {"choices":[{"delta":{"reasoning_content":"Hm"}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"Hi \xc3\xa9"}}]}\r\n\r\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'
    b"data: [DONE]\n\n"
)


def parts(body: bytes, cuts: list[int]) -> list[Part]:
    """A body that came in parts, each a second after the one before."""
    at = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [(float(i), body[at[i - 1] : at[i]]) for i in range(1, len(at))]


@pytest.mark.parametrize(("dialect", "body"), [(Ollama(), OLLAMA), (OpenAI(), OPENAI)])
@given(cuts=st.lists(st.integers(0, 1000), max_size=8))
def test_an_answer_is_the_same_wherever_it_was_cut(
    dialect: Dialect, body: bytes, cuts: list[int]
) -> None:
    told = dialect.read(CHAT, parts(body, cuts))
    assert (told.text, told.prompt_tokens, told.output_tokens) == ("Hi é", 7, 3)
    assert (len(told.pieces), told.fault) == (2, None)
    assert list(told.pieces) == sorted(told.pieces)


@pytest.mark.parametrize(("dialect", "body"), [(Ollama(), OLLAMA), (OpenAI(), OPENAI)])
def test_a_piece_came_when_its_end_came(dialect: Dialect, body: bytes) -> None:
    end = body.index(b"\n", body.index(b"Hm"))
    told = dialect.read(CHAT, [(1.0, body[:end]), (2.0, body[end : end + 1]), (3.0, body[end:])])
    assert told.pieces == (2.0, 3.0)


@pytest.mark.parametrize(("dialect", "body"), [(Ollama(), OLLAMA), (OpenAI(), OPENAI)])
def test_what_ends_too_early_is_broken(dialect: Dialect, body: bytes) -> None:
    end = body.index(b"\n", body.index(b"Hi")) + 1
    assert dialect.read(CHAT, [(1.0, body[:end])]).fault == "broken"


@pytest.mark.parametrize(
    ("dialect", "line"),
    [
        (Ollama(), b'{"error":"no room"}\n'),
        (OpenAI(), b'data: {"error":{"message":"no room"}}\n\n'),
        (OpenAI(), b'error: {"code":500,"message":"no room"}\n\n'),
    ],
)
def test_an_error_in_mid_answer_is_told(dialect: Dialect, line: bytes) -> None:
    told = dialect.read(CHAT, [(1.0, line)])
    assert (told.fault, told.error) == ("told", "no room")


@pytest.mark.parametrize("dialect", [Ollama(), OpenAI()])
def test_what_is_not_of_the_api_is_malformed(dialect: Dialect) -> None:
    for body in (b'data: {"choices": 3}\n\n', b"data: {\n"):
        told = read_exchange(dialect, CHAT, Exchange(200, [(1.0, body)]))
        assert told.fault == "malformed", body


def test_vectors_end_with_their_last_part() -> None:
    ask = Ask("embed", (Message("user", "Hello"),), 0)
    body = b'{"embeddings":[[0.5,1.0]],"prompt_eval_count":3}'
    assert Ollama().read(ask, [(1.0, body[:9]), (2.0, body[9:])]) == Told((2.0,), "", 3, 0)
    body = b'{"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":3}}'
    assert OpenAI().read(ask, [(1.0, body)]) == Told((1.0,), "", 3, 0)
    for empty in (b'{"embeddings":[]}', b'{"data":[]}'):
        dialect = Ollama() if b"embeddings" in empty else OpenAI()
        assert dialect.read(ask, [(1.0, empty)]).fault == "malformed"


def test_fields_are_added_to_objects_and_replace_all_else() -> None:
    below = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(below, {"a": {"c": 4}, "d": {"e": 5}}) == {"a": {"b": 1, "c": 4}, "d": {"e": 5}}
    path, body = body_of(Ollama(), CHAT, Manner("m", 0, extra={"options": {"num_ctx": 9}}))
    assert path == "/api/chat"
    assert b'"num_predict":9' in body
    assert b'"num_ctx":9' in body


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"error":"no"}', "no"),
        (b'{"error":{"message":"no","code":4}}', "no"),
        (b'{"detail":"no"}', "no"),
        (b"no\n", "no"),
        (b"{}", ""),
        (b"\xff", "�"),
    ],
)
def test_a_complaint_is_found_wherever_it_stands(body: bytes, told: str) -> None:
    assert complaint(body) == told


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("localhost:80", "http://localhost:80"),
        ("http://[::1]:8000/v1/", "http://[::1]:8000"),
        ("https://example.org/api/v1", "https://example.org:443/api"),
        ("127.0.0.1", "http://127.0.0.1:11434"),
    ],
)
def test_addresses_are_read_in_the_forms_that_people_write(url: str, read: str) -> None:
    assert str(read_address(url)) == read


@pytest.mark.parametrize("url", ["host:x", "http://a/b\r\nc: d", "http://a b/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadSetting):
        read_address(url)
