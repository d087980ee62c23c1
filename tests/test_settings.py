"""Settings: from where they come and what they may be."""

import pytest
from pydantic import ValidationError

from puna.settings import Settings


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PUNA_HOST", "OLLAMA_HOST", "PUNA_PORT", "PUNA_CONTEXT", "OLLAMA_CONTEXT_LENGTH"):
        monkeypatch.delenv(name, raising=False)


def test_the_server_listens_on_loopback_where_ollama_would() -> None:
    assert Settings().address == ("127.0.0.1", 11434)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", ("0.0.0.0", 11434)),
        ("localhost:8080", ("localhost", 8080)),
        ("http://127.0.0.1:8080/", ("127.0.0.1", 8080)),
        ("::1", ("::1", 11434)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_an_address_is_read_as_ollama_reads_it(
    monkeypatch: pytest.MonkeyPatch, host: str, address: tuple[str, int]
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert Settings().address == address


def test_a_name_of_our_own_is_stronger_than_ollamas_and_a_flag_than_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OLLAMA_CONTEXT_LENGTH", "1000")
    assert Settings().context == 1000
    monkeypatch.setenv("PUNA_CONTEXT", "2000")
    assert Settings().context == 2000
    assert Settings(context=3000).context == 3000


def test_a_value_out_of_its_bounds_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Settings(sequences=0)


def test_each_sequence_has_the_whole_context() -> None:
    placement = Settings(context=1000, sequences=3).placement
    assert (placement.context, placement.sequences) == (1000, 3)


def test_every_setting_says_what_it_is_for_and_when_it_acts() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        assert extra["effect"] in ("live", "restart")
