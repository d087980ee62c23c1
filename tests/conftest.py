"""Fixtures that many tests share."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))


@pytest.fixture(scope="session")
def llama_source() -> Path:
    """The source of the very llama.cpp that the engine was built from."""
    import sdist

    return sdist.llama_source()


@pytest.fixture(scope="session")
def pocket_model() -> Path:
    """The built-in model's file."""
    import stand_in

    return stand_in.BUILTIN


@pytest.fixture(scope="session")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A model of the given architecture with random weights, written once."""
    import stand_in

    folder = tmp_path_factory.mktemp("shapes")

    def written(architecture: str) -> Path:
        path = folder / f"{architecture}.gguf"
        return path if path.is_file() else stand_in.write(path, architecture)

    return written
