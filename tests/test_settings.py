"""Settings: what they may be, and what of them may change while a server runs."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from puna.settings import Settings


def test_the_server_listens_on_loopback_where_ollama_would() -> None:
    assert Settings().address == ("127.0.0.1", 11434)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", ("0.0.0.0", 11434)),
        ("localhost:8080", ("localhost", 8080)),
        ("http://127.0.0.1:8080/", ("127.0.0.1", 8080)),
        ("http://llamas.example", ("llamas.example", 80)),
        ("https://llamas.example/path", ("llamas.example", 443)),
        ("::1", ("::1", 11434)),
        ("[::1]", ("::1", 11434)),
        ("[::1]:8080", ("::1", 8080)),
        (":8080", ("0.0.0.0", 8080)),
        ("'127.0.0.1:8080' ", ("127.0.0.1", 8080)),
        ("", ("127.0.0.1", 11434)),
    ],
)
def test_an_address_is_read_as_ollama_reads_it(host: str, address: tuple[str, int]) -> None:
    assert Settings(host=host).address == address


@pytest.mark.parametrize("host", ["a:b", "a:70000", "a:b:1", "a:-1"])
def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="is no address"):
        Settings(host=host)


def test_a_port_of_its_own_is_stronger_than_the_addresss() -> None:
    assert Settings(host="localhost:8080", port=0).address == ("localhost", 0)


def test_a_value_out_of_its_bounds_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 256"):
        Settings(sequences=257)


def test_a_name_that_is_no_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Settings(colour="brown")  # pyright: ignore[reportCallIssue]


def test_the_context_and_the_sequences_are_left_to_the_memory_unless_set() -> None:
    assert Settings().context is None
    assert Settings(sequences=0).sequences is None
    assert Settings(context="auto").context is None  # pyright: ignore[reportArgumentType]


def test_every_setting_says_what_it_is_for_and_when_it_acts() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert Settings.effect(name) in ("live", "restart")
        assert Settings.environment(name)[0] == f"PUNA_{name.upper()}"


def test_what_acts_live_is_taken_over_and_the_rest_is_named() -> None:
    settings = Settings(keep_alive=60, port=1)
    assert settings.renew(Settings(keep_alive=120, port=2)) == ["port"]
    assert (settings.keep_alive, settings.port) == (120, 1)


def test_the_store_is_in_the_home_or_where_it_is_said_to_be(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).store == tmp_path / "models"
    assert Settings(home=tmp_path, models=tmp_path / "ollama").store == tmp_path / "ollama"
