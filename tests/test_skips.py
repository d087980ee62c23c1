"""Nothing is skipped in silence where CI runs: neither a test nor a whole file."""

from pathlib import Path

import pytest

pytest_plugins = "pytester"

FILES = {
    "test": "import pytest\n\ndef test_one():\n    pytest.skip('not today')\n",
    "file": "import pytest\npytest.importorskip('no_such_module')\n\ndef test_one(): pass\n",
}


@pytest.mark.parametrize(("skips", "outcome"), [("test", "failed"), ("file", "errors")])
@pytest.mark.parametrize("ci", [True, False])
def test_what_is_skipped_fails_in_ci(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    skips: str,
    outcome: str,
    ci: bool,
) -> None:
    monkeypatch.setenv("CI", "true" if ci else "")
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text())
    pytester.makepyfile(FILES[skips])
    result = pytester.runpytest_inprocess("-p", "no:asyncio")
    result.assert_outcomes(**({outcome: 1} if ci else {"skipped": 1}))
