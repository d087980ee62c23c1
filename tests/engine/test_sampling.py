"""Puna's samplers leave the same tokens with the same probabilities as llama.cpp's own."""

import msgspec
import numpy as np
import pytest
from distributions import Row, agree, ours, rounding, rows, sampler, shares, theirs
from hypothesis import given, settings
from hypothesis import strategies as st
from library_samplers import Sampler as LibrarySampler

from puna.jobs import Sampling


def library_chain(rules: Sampling, nudge: float = 0) -> list[LibrarySampler]:
    """The samplers of llama.cpp that these rules ask for, in its order."""
    return [
        ("top_k", rules.top_k),
        ("typical", rules.typical_p + nudge, 0),
        ("top_p", rules.top_p + nudge, 0),
        ("min_p", rules.min_p * (1 + nudge), 0),
        ("xtc", rules.xtc_probability, rules.xtc_threshold * (1 + nudge), 0, 7),
        ("temp", rules.temperature),
    ]


def agrees_with_the_library(rules: Sampling, row: Row) -> bool:
    """The library adds in float32, so that a border may lie a hair beside where it should.

    For typical_p no hair's breadth can be given, so that the examples are always the same ones.
    """
    mine = ours(sampler(rules, row), row)
    return any(
        agree(mine, theirs(library_chain(rules, nudge), row), rounding(row, rules.temperature))
        for nudge in (0, 1e-6, -1e-6, 1e-5, -1e-5)
    )


@given(row=rows(), top_k=st.integers(1, 6000))
def test_top_k_leaves_what_the_library_leaves(row: Row, top_k: int):
    assert agrees_with_the_library(Sampling(top_k=top_k, top_p=1, temperature=1), row)


@given(row=rows(), share=shares)
def test_top_p_leaves_what_the_library_leaves(row: Row, share: float):
    assert agrees_with_the_library(Sampling(top_k=0, top_p=share, temperature=1), row)


@given(row=rows(), share=shares)
def test_min_p_leaves_what_the_library_leaves(row: Row, share: float):
    assert agrees_with_the_library(Sampling(top_k=0, top_p=1, min_p=share, temperature=1), row)


@settings(derandomize=True)
@given(row=rows(), share=shares)
def test_typical_p_leaves_what_the_library_leaves(row: Row, share: float):
    assert agrees_with_the_library(Sampling(top_k=0, top_p=1, typical_p=share, temperature=1), row)


@given(row=rows(), share=shares)
def test_xtc_leaves_what_the_library_leaves(row: Row, share: float):
    rules = Sampling(top_k=0, top_p=1, xtc_probability=1, xtc_threshold=share, temperature=1)
    assert agrees_with_the_library(rules, row)


@given(row=rows(), temperature=st.sampled_from((0, 0.01, 0.5, 0.8, 1, 2, 100)))
def test_temperature_does_what_it_does_in_the_library(row: Row, temperature: float):
    assert agrees_with_the_library(Sampling(top_k=0, top_p=1, temperature=temperature), row)


random_rules = st.builds(
    Sampling,
    top_k=st.sampled_from((0, 1, 2, 5, 40, 200, 1000)),
    typical_p=st.one_of(st.just(1.0), shares),
    top_p=st.one_of(st.just(1.0), shares),
    min_p=st.one_of(st.just(0.0), shares),
    xtc_probability=st.sampled_from((0, 1)),
    xtc_threshold=shares,
    temperature=st.sampled_from((0, 0.3, 0.8, 1, 1.5)),
)


@settings(max_examples=300, derandomize=True)
@given(row=rows(), rules=random_rules)
def test_chains_of_random_settings_leave_what_the_library_leaves(row: Row, rules: Sampling):
    assert agrees_with_the_library(rules, row)


@settings(max_examples=10, derandomize=True)
@given(row=rows((151_936, 128_257)), rules=random_rules)
def test_large_vocabularies_leave_what_the_library_leaves(row: Row, rules: Sampling):
    assert agrees_with_the_library(rules, row)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("name", ["top_p", "typical_p"])
def test_a_share_that_is_met_exactly_is_enough_where_it_is_in_the_library(name: str, share: float):
    row = np.zeros(4, np.float32)
    rules = msgspec.structs.replace(Sampling(top_k=0, top_p=1, temperature=1), **{name: share})
    assert len(ours(sampler(rules, row), row)) == len(theirs(library_chain(rules), row))
