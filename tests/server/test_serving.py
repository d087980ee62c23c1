"""Listening on an address."""

import pytest

from puna.errors import AddressTaken
from puna.server.serving import listen


def test_an_address_that_is_taken_is_an_error_with_its_mend() -> None:
    with listen("127.0.0.1", 0) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(AddressTaken, match=rf"127.0.0.1:{port}.*PUNA_PORT"):
            listen("127.0.0.1", port)


def test_numbers_of_both_kinds_can_be_listened_on() -> None:
    for host in ("127.0.0.1", "::1"):
        with listen(host, 0) as listener:
            assert listener.getsockname()[0] == host
