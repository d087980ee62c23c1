"""The statistics, against numpy's, and what is counted of answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bench.asking import Answer, Ask, Message, Told, checked
from puna.bench.measures import figures, percentile, ratio, spread
from puna.bench.playing import Round

ASK = Ask("chat", (Message("user", "hello"),), 3)
SECONDS = st.floats(0, 1e6, allow_subnormal=False)


def answered(due: float, pieces: tuple[float, ...], output: int) -> Answer:
    return Answer(ASK, due, pieces[-1] + 1, Told(pieces, "", 10, output))


@given(st.lists(SECONDS, min_size=1, max_size=50), st.floats(0, 1))
def test_percentiles_are_those_of_numpy(values: list[float], share: float) -> None:
    found = percentile(sorted(values), share)
    assert found == pytest.approx(float(np.quantile(values, share)), rel=1e-9, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0.01, 1e3), st.floats(0.01, 1e3)), min_size=1, max_size=20))
def test_ratios_have_the_median_and_the_middle_half_of_numpy(
    pairs: list[tuple[float, float]],
) -> None:
    found = ratio(pairs)
    assert found is not None
    each = [ours / theirs for ours, theirs in pairs]
    assert found.pairs == each
    quartiles = np.quantile(each, [0.25, 0.5, 0.75])
    assert [found.low, found.median, found.high] == pytest.approx(list(quartiles))


def test_nothing_has_neither_percentiles_nor_ratios() -> None:
    assert spread([]) is None
    assert ratio([(1.0, 0.0), (0.0, 1.0)]) is None


def test_times_run_from_when_a_request_was_due() -> None:
    one = Round([answered(10.0, (12.0, 13.0, 16.0), 5)], seconds=8.0, cpu_seconds=0.4)
    found = figures([one])
    assert found.first is not None
    assert found.token is not None
    assert found.gap is not None
    assert found.whole is not None
    assert (found.first.p50, found.token.p50, found.gap.p50, found.whole.p50) == (2, 1, 2, 7)
    assert (found.prompt_rate, found.output_rate, found.own_cpu) == (10 / 8, 5 / 8, 0.05)
    assert found.piece_tokens is not None
    assert found.piece_tokens.p50 == 5 / 3


def test_what_failed_counts_as_failed_alone() -> None:
    failed = Answer(ASK, 0.0, 100.0, Told((50.0,), fault="broken"))
    found = figures([Round([answered(0.0, (1.0, 2.0), 2), failed], seconds=4.0)])
    assert (found.requests, found.failed, found.output_tokens) == (2, {"broken": 1}, 2)
    assert found.whole is not None
    assert found.whole.p99 == 3


def test_rounds_together_have_the_throughput_of_their_whole_time() -> None:
    rounds = [Round([answered(0.0, (1.0, 2.0), 2)], 2.0), Round([answered(0.0, (1.0,), 1)], 4.0)]
    assert figures(rounds).output_rate == 3 / 6


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        (Told((1.0, 2.0), "", 5, 2), None),
        (Told((1.0,), "", 5, 3), None),
        (Told((1.0,), "", 5, 4), "4 tokens were counted, and 3 asked for."),
        (Told((1.0, 2.0), "", 5, 1), "1 tokens were counted, and 2 pieces came."),
        (Told((1.0,), "", 5, None), "The server did not count the output's tokens."),
        (Told((1.0,), "", None, 1), "The server did not count the prompt's tokens."),
    ],
)
def test_counts_that_contradict_the_pieces_are_a_fault_of_their_own(
    told: Told, wrong: str | None
) -> None:
    found = checked(ASK, told)
    assert found.fault == ("miscounted" if wrong else None)
    assert found.error == (wrong or "")
