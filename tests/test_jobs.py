"""What a job may ask for: every value that people may send has its bounds."""

import math
from typing import Any

import pytest

from puna.errors import BadRequest
from puna.jobs import MAX_NAMED_TOKENS, MAX_STOP_TOKENS, SAMPLING_BOUNDS, Limits, Sampling

LISTS = {"logit_bias", "banned_tokens", "allowed_tokens", "dry_breakers"}
MANY = range(MAX_NAMED_TOKENS)


def test_every_value_of_a_sampling_is_bounded() -> None:
    assert set(Sampling.__struct_fields__) == SAMPLING_BOUNDS.keys() | LISTS


@pytest.mark.parametrize("name", SAMPLING_BOUNDS)
def test_a_value_is_taken_up_to_its_bounds_and_refused_beyond_them(name: str) -> None:
    def made(value: Any) -> Sampling:
        return Sampling(**{name: value})

    least, most = SAMPLING_BOUNDS[name]
    for value in (least, most):
        made(value)
    beyond = [least - 1, most + 1] if isinstance(most, int) else [least - 0.001, most + 0.001]
    for value in (*beyond, math.nan, math.inf, -math.inf):
        with pytest.raises(BadRequest, match=name):
            made(value)


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        ({"logit_bias": dict.fromkeys(MANY, 1e9)}, {"logit_bias": dict.fromkeys([*MANY, -1], 1.0)}),
        ({"logit_bias": {1: -1e9}}, {"logit_bias": {1: math.nan}}),
        ({"banned_tokens": (1,) * len(MANY)}, {"banned_tokens": (1,) * (len(MANY) + 1)}),
        ({"allowed_tokens": (1,) * len(MANY)}, {"allowed_tokens": (1,) * (len(MANY) + 1)}),
        ({"dry_breakers": ("x" * 64,) * 64}, {"dry_breakers": ("x",) * 65}),
        ({"dry_breakers": ()}, {"dry_breakers": ("x" * 65,)}),
    ],
)
def test_a_list_is_as_long_as_it_may_be(taken: dict[str, Any], refused: dict[str, Any]) -> None:
    Sampling(**taken)
    with pytest.raises(BadRequest, match=next(iter(refused))):
        Sampling(**refused)


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        ({"max_tokens": 10_000_000}, {"max_tokens": 10_000_001}),
        ({"max_tokens": 0}, {"max_tokens": -1}),
        ({"min_tokens": 10_000_000}, {"min_tokens": 10_000_001}),
        ({"min_tokens": 0}, {"min_tokens": -1}),
        ({"stop": ("x" * 1000,) * 64}, {"stop": ("x",) * 65}),
        ({"stop": ("x",)}, {"stop": ("",)}),
        ({"stop": ()}, {"stop": ("x" * 1001,)}),
        ({"stop_tokens": (0,) * MAX_STOP_TOKENS}, {"stop_tokens": (0,) * (MAX_STOP_TOKENS + 1)}),
        ({"stop_tokens": ()}, {"stop_tokens": (-1,)}),
    ],
)
def test_an_end_is_within_its_bounds(taken: dict[str, Any], refused: dict[str, Any]) -> None:
    Limits(**taken)
    with pytest.raises(BadRequest, match=next(iter(refused))):
        Limits(**refused)
