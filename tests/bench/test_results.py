"""The file of what was measured: each section is written alone."""

from pathlib import Path

import pytest
from benchmarks import findings


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The module as it runs: from its own folder."""
    monkeypatch.syspath_prepend(Path(findings.__file__).parent)
    from benchmarks import run

    monkeypatch.setattr(run, "RESULTS", tmp_path / "results.md")
    return run


def test_a_section_is_replaced_and_the_others_stay(run) -> None:
    run.put("headers", "old\n\n### deeper")
    run.put("an older one", "kept")
    run.put("cancel", "first")
    run.put("headers", "new")
    text = run.RESULTS.read_text()
    assert run.sections(text) == {"cancel": "first", "headers": "new", "an older one": "kept"}
    assert text.startswith(run.HEADER)
    for name, body in run.sections(text).items():
        run.put(name, body)
    assert run.RESULTS.read_text() == text
