"""The file of what was measured: each section is written alone."""

from pathlib import Path

from benchmarks import results


def test_a_section_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "results.md"

    def put(name: str, body: str) -> None:
        results.put(name, body, ("cancel", "headers"), file)

    put("headers", "old\n\n### deeper")
    put("an older one", "kept")
    put("cancel", "first")
    put("headers", "new")
    text = file.read_text()
    assert list(results.sections(text).items()) == [
        ("cancel", "first"),
        ("headers", "new"),
        ("an older one", "kept"),
    ]
    assert text.startswith(results.HEADER)
    for name, body in results.sections(text).items():
        put(name, body)
    assert file.read_text() == text
