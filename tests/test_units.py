"""Durations and sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.units import read_duration, read_size, write_duration, write_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("300ms", 0.3),
        ("-1m", -60),
        ("-1", -1),
        ("0", 0),
        ("90", 90),
        (" 2s ", 2),
    ],
)
def test_a_duration_is_read_as_go_reads_it_and_a_bare_number_is_seconds(
    text: str, seconds: float
) -> None:
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["soon", "5 m", "5d", "m", "1h-2m", ""])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="5m"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GiB", 8 << 30),
        ("8Gi", 8 << 30),
        ("8GB", 8 * 10**9),
        ("8g", 8 * 10**9),
        ("1.5 MiB", 3 << 19),
        ("512", 512),
        ("0", 0),
        ("10B", 10),
    ],
)
def test_a_size_is_binary_with_an_i_and_decimal_without(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["much", "8XB", "GiB", ""])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="8GiB"):
        read_size(text)


@given(st.integers(0, 10**9))
def test_a_duration_that_was_written_is_read_as_the_same(seconds: int) -> None:
    assert read_duration(write_duration(seconds)) == seconds


@given(st.integers(0, 2**62))
def test_a_size_that_was_written_is_read_as_the_same(size: int) -> None:
    assert read_size(write_size(size)) == size


def test_people_are_told_what_they_would_have_written() -> None:
    assert [write_duration(one) for one in (300, 5430, 0.5, 0, -5)] == [
        *("5m", "1h30m30s", "0.5s", "0", "-1")
    ]
    assert [write_size(one) for one in (8 << 30, 1536, 1000, 0)] == ["8GiB", "1536", "1000", "0"]
