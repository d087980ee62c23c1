"""Floats as Go's own printf wrote them, recorded."""

import re
from pathlib import Path

import pytest

from puna.text.go.formats import formatted
from puna.text.go.strings import Strings

RECORDED = Path(__file__).with_name("floats.txt").read_text().splitlines()[1:]
CASES = [re.findall(r'"([^"]*)"', line) for line in RECORDED]


@pytest.mark.parametrize("directive", sorted({directive for directive, _, _ in CASES}))
def test_a_float_is_written_as_go_writes_it(directive: str) -> None:
    cases = [(number, text) for one, number, text in CASES if one == directive]
    assert len(cases) > 10
    for number, text in cases:
        assert formatted(directive, [float(number)], Strings(), 10_000) == text, number


def test_a_complex_numbers_parts_are_written_alike() -> None:
    written = formatted("%x|%b|%#.2g", [complex(1, -2.5)] * 3, Strings(), 10_000)
    assert written == (
        "(0x1p+00-0x1.4p+01i)|(4503599627370496p-52-5629499534213120p-51i)|(1.0-2.5i)"
    )
