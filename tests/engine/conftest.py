"""What the engine's tests share."""

import pytest

from puna.engine.libllama import Library, open_library


@pytest.fixture(scope="session")
def library() -> Library:
    """The engine's library; its log is global, so it is opened once."""
    return open_library()
