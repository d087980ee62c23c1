"""Fixtures that many tests share."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

# How long a test takes says more about the machine than about what is tested.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))


@pytest.fixture(scope="session")
def llama_source() -> Path:
    """The source of the very llama.cpp that the engine was built from."""
    import sdist

    return sdist.llama_source()
