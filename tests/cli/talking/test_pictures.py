"""Images that a prompt names by their paths."""

import base64
from pathlib import Path

import pytest
from tests.cli.talking.pixels import PNG

from puna.cli.talking.pictures import pictured
from puna.errors import BadRequest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the prompts are typed, which is home too."""
    for name in ("cat.png", "a cat.png", "CAT.PNG", "it's (1).png"):
        (tmp_path / name).write_bytes(PNG)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/cat.jpeg").write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("prompt", "text", "paths"),
    [
        ("Who is ./cat.png?", "Who is ?", ["cat.png"]),
        ("./cat.png", "", ["cat.png"]),
        ("~/cat.png who?", "who?", ["~/cat.png"]),
        ("../{name}/CAT.PNG", "", ["../{name}/CAT.PNG"]),
        ("{folder}/cat.png", "", ["{folder}/cat.png"]),
        ("'./cat.png' and \"./sub/cat.jpeg\"", "and", ["cat.png", "sub/cat.jpeg"]),
        ("./cat.png ./cat.png", "", ["cat.png", "cat.png"]),
        ("./a cat.png?", "?", ["a cat.png"]),
        (r"./a\ cat.png?", "?", ["a cat.png"]),
        (r"./it\'s\ \(1\).png", "", ["it's (1).png"]),
        ("'./a cat.png'", "", ["a cat.png"]),
        ("(./cat.png)", "()", ["cat.png"]),
    ],
)
def test_files_are_taken_out_of_the_text(
    folder: Path, prompt: str, text: str, paths: list[str]
) -> None:
    names = {"folder": str(folder), "name": folder.name}
    found = pictured(prompt.format(**names))
    assert found.text == text
    assert found.paths == [Path(path.format(**names)) for path in paths]
    assert found.images == [base64.b64encode(PNG).decode()] * len(paths)


@pytest.mark.parametrize(
    "prompt",
    [
        "no file at all",
        "cat.png",
        "./none.png",
        "https://example.org/cat.png",
        "and/or ./sub",
        "./cat.png.txt",
        "~nobody-of-this-name/cat.png",
        "./" + "x" * 5000 + ".png",
        "./\0.png",
        "  kept as it is  ",
    ],
)
def test_what_names_no_image_stays(prompt: str) -> None:
    found = pictured(prompt)
    assert (found.text, found.images) == (prompt, [])


def test_what_is_no_image_is_an_error_that_names_it(folder: Path) -> None:
    (folder / "text.png").write_text("meow")
    with pytest.raises(BadRequest, match=r"text\.png: An image"):
        pictured("./text.png")
