"""Names of models."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import BadRequest
from puna.models.names import Name

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "file", "shown"),
    [
        ("cria", "registry.ollama.ai/library/cria/latest", "cria:latest"),
        ("llama3.2:3b", "registry.ollama.ai/library/llama3.2/3b", "llama3.2:3b"),
        ("org/model", "registry.ollama.ai/org/model/latest", "org/model:latest"),
        (
            "localhost:5000/org/model:tag",
            "localhost:5000/org/model/tag",
            "localhost:5000/org/model:tag",
        ),
        ("hf.co/org/repo:Q4_K_M", "hf.co/org/repo/Q4_K_M", "hf.co/org/repo:Q4_K_M"),
        ("https://hf.co/org/repo", "hf.co/org/repo/latest", "hf.co/org/repo:latest"),
        ("host/library/model:tag", "host/library/model/tag", "host/library/model:tag"),
        ("registry.ollama.ai/library/a:b", "registry.ollama.ai/library/a/b", "a:b"),
        ("_why/_the/_lucky:_stiff", "_why/_the/_lucky/_stiff", "_why/_the/_lucky:_stiff"),
    ],
)
def test_a_name_lies_where_ollama_puts_it_and_is_shown_as_ollama_shows_it(
    text: str, file: str, shown: str
) -> None:
    assert str(Name.parse(text).file) == file
    assert str(Name.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ":",
            "a:",
            ":a",
            "/a",
            "a/",
            "a//b",
            "//",
            "a/b/c/d",
            "^",
            "a b",
            "a\0",
            "a\n",
            "\na",
        ),
        *("../a", "a/../b", "./a", "..", ".", "a/..", "a/.:b", "a:..", "a:.", "-a", "a/-b", "a:-b"),
        *("a:b/c", "h/n:s/m:t", "https://model", "https://org/model", "a" * 81, "a:" + "b" * 81),
        *("h" * 256 + "/a/b", "a@", "a@sha256:", "a@sha256:12345", "a@md5:0123456789", "a@xyz1234"),
        *("a@sha256:" + "0" * 65, "a\\b", "a%2fb", "é", "a/b.c/d", "org.x/model"),
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is not a model's name"):
        Name.parse(text)


@pytest.mark.parametrize("revision", [DIGEST, DIGEST[:7], DIGEST[:12].upper()])
def test_a_name_may_ask_for_a_revision(revision: str) -> None:
    name = Name.parse(f"llama3.2:3b@sha256:{revision}")
    assert name.revision == revision.lower()
    assert name == Name.parse(f"llama3.2:3b@{revision}")
    assert name.current == Name("llama3.2", "3b")
    assert str(name) == f"llama3.2:3b@sha256:{revision.lower()}"


def test_names_that_differ_in_case_are_the_same_when_folded() -> None:
    assert Name.parse("HF.co/Org/Repo:q4_K_M").folded == Name.parse("hf.co/org/repo:Q4_k_m").folded
    assert Name.parse("cria") == Name("cria")


def test_no_name_can_be_made_that_is_not_well_formed() -> None:
    for part in ("..", ".", "", "a/b", "a\0", "/etc", "a\n"):
        for field in ("model", "tag", "namespace", "host"):
            with pytest.raises(BadRequest):
                Name(**({"model": "a"} | {field: part}))


@given(st.text("abAB01./:-_\\ \0\n%@~", max_size=60) | st.text(max_size=300))
def test_no_text_leads_out_of_the_stores_folder(text: str) -> None:
    try:
        name = Name.parse(text)
    except BadRequest:
        return
    assert Path("/store/manifests", name.file).resolve().parents[3] == Path("/store/manifests")
    assert len(name.file.parts) == 4
    assert all(0 < len(part) <= 255 for part in name.file.parts)
    assert Name.parse(str(name)) == name


word = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,20}", fullmatch=True)


@given(word, word, st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,20}", fullmatch=True), word)
def test_a_name_is_read_as_it_is_shown(model: str, tag: str, namespace: str, host: str) -> None:
    # In the shortest form, the defaults are written in their own case.
    name = Name(model, tag, namespace, host)
    assert Name.parse(str(name)).folded == name.folded
