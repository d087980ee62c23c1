"""Names of models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import BadRequest, ModelNotFound
from puna.models.library import Library
from puna.models.names import Name


@pytest.mark.parametrize(
    ("text", "path", "tag"),
    [
        ("cria", "cria", "latest"),
        ("llama3.2:3b", "llama3.2", "3b"),
        ("org/model:tag", "org/model", "tag"),
        ("localhost:5000/org/model:tag", "localhost:5000/org/model", "tag"),
        ("hf.co/org/repo:Q4_K_M", "hf.co/org/repo", "Q4_K_M"),
    ],
)
def test_a_name_has_a_path_and_a_tag(text: str, path: str, tag: str) -> None:
    assert Name.parse(text) == Name(path, tag)


@pytest.mark.parametrize(
    "text", ["", ":", "a:", "/a", "a//b", "../a", "a/../b", "a b", "a\0", "a\n", "a" * 200, "a:b/c"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is not a model's name"):
        Name.parse(text)


@given(st.text("ab./:-_\\ \0\n%"))
def test_no_name_leads_out_of_a_folder(text: str) -> None:
    try:
        name = Name.parse(text)
    except BadRequest:
        return
    assert all(part not in ("", ".", "..") for part in name.path.split("/"))
    assert Name.parse(str(name)) == name


def test_the_builtin_model_is_found_with_its_tag_and_without() -> None:
    library = Library()
    assert library.find("cria") is library.find("cria:latest")
    assert library.find("cria").weights[0].is_file()
    with pytest.raises(ModelNotFound, match="guanaco"):
        library.find("guanaco")
