"""`puna fit` and its route, against a live server."""

from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from tests.cli.inside import Puna, runner
from tests.clients.conftest import serving

GIB = 1 << 30
MEMORY = 2 * GIB


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("home"), PUNA_MEMORY=str(MEMORY)) as address:
        yield address


@pytest.fixture
def puna(address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Puna:
    monkeypatch.setenv("PUNA_HOST", address)
    return runner(capsys)


def test_a_model_is_placed_on_what_there_is(puna: Puna) -> None:
    told = puna("fit", "cria", "--ctx", "1024", "--sequences", "2", "--json").json
    assert (told["fits"], told["supposed"]) == (True, False)
    assert told["placement"]["context"] == 1024
    assert told["placement"]["sequences"] == 2
    shown = puna("fit", "cria", "--ctx", "1024", "--sequences", "2").out
    assert shown.startswith(f"cria:latest fits. {told['why'].partition('.')[0]}")
    assert "█ weights" in shown


def test_a_smaller_cache_takes_less(puna: Puna) -> None:
    def cache(*words: str) -> int:
        told = puna("fit", "cria", "--sequences", "4", "--json", *words).json
        return sum(device["cache"] for device in told["devices"])

    assert 0 < cache("--kv", "q8_0") < cache("--kv", "f16")


def test_devices_may_be_supposed(puna: Puna) -> None:
    told = puna("fit", "cria", "--gpu", "24GiB", "--gpu", "8GiB", "--ram", "16GiB", "--json").json
    assert told["supposed"]
    assert [one["total"] // GIB for one in told["devices"]] == [16, 24, 8]
    processor, first, second = told["devices"]
    assert (processor["layers"], second["layers"]) == (0, 0)
    assert first["layers"] > 0
    for device in told["devices"]:
        parts = sum(device[part] for part in ("weights", "cache", "compute", "other"))
        assert parts <= device["free"]
    chart = puna("fit", "cria", "--gpu", "24GiB", "--ram", "16GiB").out
    assert "GPU0: 24.0 GiB" in chart
    assert "CPU: 16.0 GiB" in chart


def test_what_does_not_fit_is_told_with_both_numbers(puna: Puna) -> None:
    refused = puna("fit", "cria", "--ram", "16MiB")
    assert refused.code == 1
    assert refused.out.startswith("cria:latest does not fit. ")
    assert "where 16 MiB are free" in refused.out
    told = puna("fit", "cria", "--ram", "16MiB", "--json")
    assert (told.code, told.json["fits"], told.json["placement"]) == (1, False, None)


def test_a_file_need_not_be_a_model_yet(
    puna: Puna, shape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shape("qwen3")
    told = puna("fit", str(file), "--json").json
    assert (told["fits"], told["model"]) == (True, str(file))
    monkeypatch.chdir(file.parent)
    assert puna("fit", file.name, "--json").json["model"] == str(file)
    (tmp_path / "page.gguf").write_text("<html>")
    assert "is not a GGUF file" in puna("fit", str(tmp_path / "page.gguf")).err
    missing = puna("fit", str(tmp_path / "none.gguf"))
    assert missing.code == 1
    assert "on the server's machine" in missing.err


def test_a_model_from_elsewhere_is_not_here(puna: Puna) -> None:
    refused = puna("fit", "hf.co/org/repo:Q4_K_M")
    assert (refused.code, refused.out) == (1, "")
    assert "create the model, or name the file" in refused.err


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "Either `model` or `file`"),
        ({"model": "cria", "file": "/x"}, "Either `model` or `file`"),
        ({"file": "relative.gguf"}, "must be an absolute path"),
        ({"model": "cria", "gpus": ["lots"]}, "a size is written as"),
        ({"model": "cria", "cache_type": "q9"}, "cache_type"),
        ({"model": "cria", "context": 0}, "context"),
        ({"model": "cria", "what": 1}, "what"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    address: str, body: dict[str, object], told: str
) -> None:
    refused = httpx.post(f"{address}/puna/v1/fit", json=body, timeout=60)
    assert refused.status_code == 400
    assert told in refused.json()["error"]


def test_what_idle_models_take_counts_as_free(puna: Puna, address: str) -> None:
    asked = {"model": "cria", "prompt": "Hello", "stream": False, "options": {"num_predict": 1}}
    httpx.post(f"{address}/api/generate", json=asked, timeout=60).raise_for_status()
    (loaded,) = puna("ps", "--json").json["runners"]
    assert loaded["size"] > 0
    assert puna("fit", "cria", "--json").json["devices"][0]["free"] == MEMORY
