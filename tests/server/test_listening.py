"""Listening on an address."""

import os
import socket

import pytest

from puna.errors import AddressTaken, BadSetting, Unprotected
from puna.server.listening import listen
from puna.settings import Settings


def test_an_address_that_is_taken_is_an_error_that_names_the_holder_and_the_mend() -> None:
    with listen(Settings(port=0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(AddressTaken) as taken:
            listen(Settings(port=port))
    assert f"(process {os.getpid()}) listens on 127.0.0.1:{port} already." in str(taken.value)
    assert f"kill {os.getpid()}" in taken.value.mend
    assert "PUNA_PORT" in taken.value.mend


def test_numbers_of_both_kinds_can_be_listened_on() -> None:
    for host in ("127.0.0.1", "::1"):
        with listen(Settings(host=host, port=0)) as listener:
            assert listener.getsockname()[0] == host


def test_a_name_is_listened_on_by_the_number_that_most_clients_try() -> None:
    with listen(Settings(host="localhost", port=0)) as listener:
        assert listener.family == socket.AF_INET


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ":0"])
def test_beyond_this_machine_is_only_listened_on_if_that_is_meant(host: str) -> None:
    with pytest.raises(Unprotected, match="PUNA_ALLOW_ANONYMOUS=1"):
        listen(Settings(host=host, port=0))
    with listen(Settings(host=host, port=0, allow_anonymous=True)) as listener:
        assert listener.getsockname()[1]


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_of_this_machine_is_an_error(host: str) -> None:
    with pytest.raises(BadSetting, match=host):
        listen(Settings(host=host, port=0, allow_anonymous=True))
