"""Where settings come from, and which source is the strongest."""

import os
from pathlib import Path
from typing import Any

import pytest

from puna.configuration import Configuration
from puna.errors import BadSetting


def read(
    *,
    flags: dict[str, Any] | None = None,
    file: Path | None = None,
    environment: dict[str, str] | None = None,
) -> Configuration:
    environment = environment or {}
    if "PUNA_CONFIG" not in environment:
        file = file or Path(os.devnull)
    return Configuration(flags, file, environment)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("context: 1000\nkeep-alive: 1h\n")
    return path


def test_a_flag_is_stronger_than_our_name_than_ollamas_than_the_file_than_the_default(
    file: Path,
) -> None:
    sources: dict[str, Any] = {}
    found = [read(**sources)]
    for more in (
        {"file": file},
        {"environment": {"OLLAMA_CONTEXT_LENGTH": "2000"}},
        {"environment": {"OLLAMA_CONTEXT_LENGTH": "2000", "PUNA_CONTEXT": "3000"}},
        {"flags": {"context": "4000"}},
    ):
        sources |= more
        found.append(read(**sources))
    assert [(one.settings.context, one.origins["context"]) for one in found] == [
        (None, "default"),
        (1000, str(file)),
        (2000, "OLLAMA_CONTEXT_LENGTH"),
        (3000, "PUNA_CONTEXT"),
        (4000, "--context"),
    ]
    assert found[-1].settings.keep_alive == 3600


def test_the_environment_may_name_the_file(file: Path) -> None:
    assert read(environment={"PUNA_CONFIG": str(file)}).settings.context == 1000


def test_values_are_what_ollama_takes_for_its_names() -> None:
    settings = read(
        environment={
            "OLLAMA_HOST": "0.0.0.0:8080",
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_LOAD_TIMEOUT": "0",
            "OLLAMA_NUM_PARALLEL": "0",
            "OLLAMA_MAX_LOADED_MODELS": "0",
            "OLLAMA_MAX_QUEUE": "7",
            "OLLAMA_ORIGINS": "https://a.example, app://b",
            "OLLAMA_DEBUG": "1",
            "OLLAMA_FLASH_ATTENTION": "true",
            "OLLAMA_KV_CACHE_TYPE": '"q8_0"',
            "OLLAMA_GPU_OVERHEAD": "1000",
            "OLLAMA_MODELS": "/models",
            "OLLAMA_CONTEXT_LENGTH": "",
            "OLLAMA_SCHED_SPREAD": "1",
            "PUNA_TENSOR_SPLIT": "3, 1.5",
            "PUNA_SPLIT_MODE": "row",
        }
    ).settings
    assert settings.address == ("0.0.0.0", 8080)
    assert settings.keep_alive == -1
    assert settings.load_timeout == 86_400
    assert settings.sequences is None
    assert settings.max_loaded_models is None
    assert settings.max_queue == 7
    assert settings.origins == ("https://a.example", "app://b")
    assert settings.log_level == "debug"
    assert settings.flash_attention == "on"
    assert settings.cache_type == "q8_0"
    assert settings.gpu_overhead == 1000
    assert settings.models == Path("/models")
    assert settings.context is None
    assert settings.spread
    assert (settings.tensor_split, settings.split_mode) == ((3.0, 1.5), "row")


def test_a_variable_that_is_nothings_name_is_told_with_the_nearest_that_is() -> None:
    warnings = read(environment={"PUNA_CONTEXTS": "1", "OLLAMA_NEW_ENGINE": "1"}).warnings
    assert warnings == (
        "OLLAMA_NEW_ENGINE has no counterpart in Puna and no effect.",
        "PUNA_CONTEXTS is no setting and has no effect. Did you mean PUNA_CONTEXT?",
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("keep_alife: 5m", "'keep_alife', which is no setting. Did you mean keep_alive"),
        ("context: much", "context in .*config.yaml is 'much'"),
        ("- context", "has no names with values"),
        ("context: [", "cannot be read"),
        ("keep_alive: soon", "a duration is written as"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_what_is_wrong(
    tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(BadSetting, match=words):
        read(file=path)


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="cannot be read"):
        read(file=tmp_path / "none.yaml")


def test_every_value_at_fault_is_named_by_its_source() -> None:
    with pytest.raises(BadSetting) as refused:
        read(flags={"port": "x"}, environment={"PUNA_MEMORY": "many"})
    assert "--port is 'x'" in str(refused.value)
    assert "PUNA_MEMORY is 'many'" in str(refused.value)


def test_what_acts_live_changes_with_the_file_and_the_rest_waits(file: Path) -> None:
    configuration = read(file=file)
    file.write_text("context: 2000\nmax_queue: 9\n")
    assert configuration.renew() == ["context"]
    settings = configuration.settings
    assert (settings.context, settings.keep_alive, settings.max_queue) == (1000, 300, 9)
    assert configuration.origins["keep_alive"] == "default"
    assert configuration.origins["max_queue"] == str(file)


def test_a_file_that_has_become_faulty_changes_nothing(file: Path) -> None:
    configuration = read(file=file)
    file.write_text("max_queue: [")
    with pytest.raises(BadSetting):
        configuration.renew()
    assert configuration.settings.keep_alive == 3600


def test_settings_are_told_in_peoples_units() -> None:
    told = {one.name: one for one in read(environment={"PUNA_MEMORY": "8589934592"}).told()}
    assert told["memory"].value == "8GiB"
    assert told["memory"].origin == "PUNA_MEMORY"
    assert told["keep_alive"].value == "5m"
    assert told["keep_alive"].effect == "live"
