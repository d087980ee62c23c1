"""A broken template, or one that does what Go forbids: an error that says where, and why."""

from pathlib import Path

import pytest
import yaml
from tests.text.go.test_language import written

from puna.errors import TemplateFailed
from puna.text.go.checking import check
from puna.text.go.faults import Fault
from puna.text.go.parser import MAX_CHARACTERS
from puna.text.go.stream import MAX_DEPTH

FAULTS = yaml.safe_load((Path(__file__).parent / "faults.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case["source"])
def test_a_mistake_is_told_with_its_line_its_column_and_its_reason(case: dict[str, str]) -> None:
    with pytest.raises(Fault) as told:
        written(case["source"])
    assert told.value.message == case["fault"]


def test_lines_and_columns_are_counted_from_one() -> None:
    with pytest.raises(Fault) as told:
        written("first\nsecond\n  {{ if .yes }}\n   {{ nope }}{{ end }}")
    assert told.value.message == 'line 4, column 7: function "nope" is not defined'


def test_a_template_is_checked_without_being_run() -> None:
    assert check(
        "{{ range .Messages }}{{ $.System }}{{ (index .ToolCalls 0).Function }}{{ end }}"
    ) == {
        "messages",
        "system",
        "toolcalls",
        "function",
    }
    with pytest.raises(TemplateFailed, match=r'line 1, column 4: function "nope"'):
        check("{{ nope }}")


def test_a_template_that_is_too_long_or_nested_too_deeply_is_refused() -> None:
    levels = MAX_DEPTH + 1
    for source in (
        "x" * (MAX_CHARACTERS + 1),
        "{{ if .yes }}" * levels + "{{ end }}" * levels,
        "{{ " + "(" * levels + "1" + ")" * levels + " }}",
        "".join(f"{{{{ $x{number} := 1 }}}}" for number in range(1000)),
    ):
        with pytest.raises(TemplateFailed):
            check(source)


def test_what_is_nested_as_deeply_as_may_be_still_runs() -> None:
    levels = MAX_DEPTH - 1
    assert written("{{ " + "(" * levels + "1" + ")" * levels + " }}") == "1"
    assert written("{{ if .yes }}" * levels + "x" + "{{ end }}" * levels) == "x"
    branches = "".join(f"{{{{ else if eq 1 {number} }}}}{number}" for number in range(2000, 0, -1))
    assert written("{{ if .no }}" + branches + "{{ end }}") == "1"
