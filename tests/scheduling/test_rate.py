"""How fast a runner's tokens come, over the last few seconds."""

import math

import pytest

from puna.scheduling.resident import RATE_SECONDS, Rate


@pytest.mark.parametrize("between", [0.0005, 0.02, 0.25])
def test_a_steady_stream_has_its_rate_and_fades_when_it_stops(between: float) -> None:
    rate, now = Rate(), 1000.0
    while now < 1000 + 10 * RATE_SECONDS:
        now += between
        rate.add(3, now)
    steady = rate.at(now)
    assert steady == pytest.approx(3 / between, rel=0.03)
    assert rate.at(now + RATE_SECONDS) == pytest.approx(steady / math.e)
