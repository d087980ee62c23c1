"""The commands that look after models, against a live server."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from tests.cli.inside import Puna, runner
from tests.clients.conftest import serving

COLUMNS = ["NAME", "ID", "SIZE", "MODIFIED"]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture
def puna(address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Puna:
    monkeypatch.setenv("PUNA_HOST", address)
    return runner(capsys)


@pytest.fixture
def parrot(puna: Puna) -> Generator[str]:
    assert puna("create", "ns/parrot", "--from", "cria").code == 0
    yield "ns/parrot"
    puna("rm", "ns/parrot")


def load(address: str, model: str) -> None:
    asked = {"model": model, "prompt": "Hello", "stream": False, "options": {"num_predict": 3}}
    httpx.post(f"{address}/api/generate", json=asked, timeout=60).raise_for_status()


def test_models_are_listed_with_the_built_in_one_marked(puna: Puna, parrot: str) -> None:
    listed = puna("list")
    head, *rows = (line.split() for line in listed.out.splitlines())
    assert head == COLUMNS
    assert "comes with Puna" in next(" ".join(row) for row in rows if row[0] == "cria:latest")
    assert next(row for row in rows if row[0] == f"{parrot}:latest")[-1] in ("ago", "now")
    assert puna("ls").out == listed.out


def test_a_list_is_narrowed_by_how_names_begin(puna: Puna, parrot: str) -> None:
    names = [one["name"] for one in puna("ls", "NS/", "--json").json["models"]]
    assert names == [f"{parrot}:latest"]
    assert puna("ls", "zebra").out.split() == COLUMNS


def test_what_is_loaded_is_listed_until_it_is_stopped(puna: Puna, address: str) -> None:
    load(address, "cria")
    (loaded,) = puna("ps", "--json").json["runners"]
    assert loaded["model"] == "cria:latest"
    assert loaded["size"] == sum(device["bytes"] for device in loaded["devices"])
    planned = puna("fit", "cria", "--json").json["placement"]
    assert all(loaded[name] == planned[name] for name in ("context", "sequences", "pooled"))
    head, row = puna("ps").out.splitlines()
    assert head.split()[:3] == ["NAME", "REVISION", "SIZE"]
    assert f"  {loaded['digest'][:12]}  " in row
    assert f"0/{loaded['sequences']}" in row
    assert "from now" in row
    assert puna("stop", "cria").out == "Stopped cria.\n"
    deadline = time.monotonic() + 60
    while puna("ps", "--json").json["runners"]:
        assert time.monotonic() < deadline
    assert puna("stop", "cria").out == "cria is not loaded.\n"


def test_a_model_that_is_not_there_is_neither_stopped_nor_copied_nor_shown(puna: Puna) -> None:
    for words in (("stop", "nope"), ("cp", "nope", "other"), ("show", "nope"), ("rm", "nope")):
        refused = puna(*words)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith("puna: Model 'nope:latest' was not found.")


def test_a_copy_is_the_same_model_by_another_name(puna: Puna, parrot: str) -> None:
    assert puna("cp", parrot, "copy").out == f"Copied {parrot} to copy.\n"
    digests = {one["digest"] for one in puna("ls", "--json").json["models"] if not one["builtin"]}
    assert len(digests) == 1
    assert puna("rm", "copy").out == "Removed copy.\n"


def test_several_are_removed_whatever_becomes_of_one(puna: Puna, parrot: str) -> None:
    puna("cp", parrot, "one")
    puna("cp", parrot, "two")
    removed = puna("rm", "one", "nope", "two")
    assert (removed.code, removed.out) == (1, "Removed one.\nRemoved two.\n")
    assert "'nope:latest' was not found" in removed.err


def test_the_built_in_model_is_hidden_and_comes_back(puna: Puna) -> None:
    hidden = puna("rm", "cria")
    assert hidden.code == 0
    assert "hidden instead of removed" in hidden.out
    assert puna("show", "cria").code == 1
    assert puna("rm", "--restore", "cria").out == "cria:latest is there again.\n"
    assert puna("show", "cria").code == 0


def test_a_model_is_shown_whole_or_in_one_part(puna: Puna, tmp_path: Path) -> None:
    file = tmp_path / "Modelfile"
    file.write_text(
        "FROM cria\nSYSTEM Be a llama.\nLICENSE Free for llamas.\nPARAMETER top_k 7\n"
        "TEMPLATE {{ .Prompt }}\n"
    )
    assert puna("create", "shown", "-f", str(file)).code == 0
    card = puna("show", "shown").out
    for words in ("architecture", "context length", "Q8_0", "Be a llama.", "Free for llamas."):
        assert words in card
    assert puna("show", "shown", "--system").out == "Be a llama.\n"
    assert puna("show", "shown", "--license").out == "Free for llamas.\n"
    assert puna("show", "shown", "--template").out == "{{ .Prompt }}\n"
    assert puna("show", "shown", "--parameters").out.split() == ["top_k", "7"]
    assert "SYSTEM Be a llama." in puna("show", "shown", "--modelfile").out
    verbose = puna("show", "shown", "-v").out
    assert "tokenizer.ggml.model" in verbose
    assert "token_embd.weight" in verbose
    assert puna("show", "shown", "--json").json["system"] == "Be a llama."
    both = puna("show", "shown", "--system", "--template")
    assert (both.code, both.out) == (2, "")
    assert "--template and --system do not go together" in both.err
    puna("rm", "shown")


def test_a_file_goes_to_the_server_once(puna: Puna, address: str, tmp_path: Path, shape) -> None:
    weights = shape("llama")
    (tmp_path / "Modelfile").write_text(f"FROM {weights}\n")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert httpx.head(f"{address}/api/blobs/sha256:{digest}", timeout=60).status_code == 404
    made = puna("create", "mine", "-f", str(tmp_path / "Modelfile"))
    assert (made.code, made.out) == (0, "Created mine.\n")
    assert "parsing GGUF" in made.err
    assert made.err.endswith("success\n")
    assert httpx.head(f"{address}/api/blobs/sha256:{digest}", timeout=60).status_code == 200
    assert puna("create", "again", "-f", str(tmp_path / "Modelfile")).code == 0
    assert puna("rm", "mine", "again").code == 0


def test_a_modelfile_lies_where_the_command_is_called(
    puna: Puna, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    missing = puna("create", "here")
    assert missing.code == 1
    assert "There is no Modelfile 'Modelfile'. Name one with -f" in missing.err
    Path("Modelfile").write_text("SYSTEM Be brief.\n")
    assert "no FROM line" in puna("create", "here").err
    assert puna("create", "here", "--from", "cria", "-f", "Modelfile").code == 0
    assert puna("show", "here", "--system").out == "Be brief.\n"
    puna("rm", "here")


def test_what_a_model_cannot_be_made_of_is_refused(puna: Puna, tmp_path: Path) -> None:
    file = tmp_path / "Modelfile"
    (tmp_path / "broken.gguf").write_bytes(b"not a model")
    file.write_text("FROM ./broken.gguf\n")
    broken = puna("create", "broken", "-f", str(file))
    assert (broken.code, broken.out) == (1, "")
    file.write_text("FROM cria\nADAPTER ./nothing.gguf\n")
    assert "There is no adapter './nothing.gguf'" in puna("create", "b", "-f", str(file)).err
    quantized = puna("create", "b", "--from", "cria", "-q", "Q4_K_M")
    assert quantized.code == 1
    assert "broken:latest" not in puna("ls").out


def test_every_list_and_card_is_json_when_asked(puna: Puna) -> None:
    for words in (("ls",), ("ps",), ("show", "cria"), ("fit", "cria"), ("gc",), ("config",)):
        told = puna(*words, "--json")
        assert told.code == 0
        assert isinstance(told.json, dict)


def test_a_closed_pipe_is_no_error(address: str) -> None:
    command = f"{sys.executable} -m puna show cria -v --host {address} | head -c 1"
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, " ", "")
