"""Fixtures that many tests share."""

import os
import sys
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

# How long a test takes says more about the machine than about what is tested.
settings.register_profile("no clock", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=20_000)
settings.load_profile("no clock")

if TYPE_CHECKING:
    from puna.engine.vocabulary import Vocabulary

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A skipped file."""
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where CI runs, nothing may be missing: what is skipped there has failed."""
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing: {report.longrepr}"


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


@pytest.fixture(scope="session")
def vocabularies(llama_source: Path) -> Callable[[str], "Vocabulary"]:
    """A real vocabulary by its name, loaded once, without a model's weights."""
    from puna.engine.libllama import open_library
    from puna.engine.vocabulary import Vocabulary

    library = open_library()
    params = library.call.llama_model_default_params()
    params.vocab_only = True

    @cache
    def loaded(name: str) -> Vocabulary:
        file = llama_source / "models" / f"ggml-vocab-{name}.gguf"
        model = library.call.llama_model_load_from_file(str(file).encode(), params)
        assert model, file
        return Vocabulary(library, model)

    return loaded
