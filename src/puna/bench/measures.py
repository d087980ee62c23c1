"""From answers to figures: sums, percentiles, ratios."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from puna.bench.asking import Answer
from puna.bench.playing import Round


class Spread(msgspec.Struct, frozen=True):
    """Half, all but a twentieth, and all but a hundredth of the values are no more than these."""

    p50: float
    p95: float
    p99: float


class Figures(msgspec.Struct, frozen=True):
    """What was measured of one server. Times are seconds, rates are each second.

    What did not happen at all is None. Answers that failed count among `failed` alone.
    """

    requests: int
    failed: dict[str, int]
    gave_up: bool
    seconds: float
    prompt_tokens: int
    output_tokens: int
    request_rate: float
    prompt_rate: float
    output_rate: float
    # From when a request was due to its first piece, and to its end.
    first: Spread | None
    whole: Spread | None
    # Of each token behind the first piece, and between a piece and the next.
    token: Spread | None
    gap: Spread | None
    # Each request's own rates: of its prompt until the first piece, of its output after that.
    prompt_speed: Spread | None
    output_speed: Spread | None
    prompt_length: Spread | None
    output_length: Spread | None
    # How many tokens came with each piece.
    piece_tokens: Spread | None
    # How much of one core this process took.
    own_cpu: float


class Ratio(msgspec.Struct, frozen=True):
    """The first server's figure by another's, in each pair of rounds."""

    pairs: list[float]
    median: float
    low: float
    high: float


def figures(rounds: Sequence[Round]) -> Figures:
    """What all these rounds together show."""
    answers = [answer for one in rounds for answer in one.answers]
    good = [answer for answer in answers if answer.fault is None]
    seconds = sum(one.seconds for one in rounds)
    prompt_tokens = sum(one.told.prompt_tokens or 0 for one in good)
    output_tokens = sum(one.told.output_tokens or 0 for one in good)
    return Figures(
        requests=len(answers),
        failed=dict(Counter(answer.fault for answer in answers if answer.fault)),
        gave_up=any(one.gave_up for one in rounds),
        seconds=seconds,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        request_rate=_by(len(good), seconds),
        prompt_rate=_by(prompt_tokens, seconds),
        output_rate=_by(output_tokens, seconds),
        first=_spread(good, lambda one: one.first),
        whole=_spread(good, lambda one: one.whole),
        token=_spread(good, lambda one: one.token),
        gap=spread([gap for one in good for gap in one.gaps]),
        prompt_speed=_spread(good, lambda one: _ratio(one.told.prompt_tokens, one.first)),
        output_speed=_spread(good, lambda one: _ratio(1, one.token)),
        prompt_length=_spread(good, lambda one: one.told.prompt_tokens),
        output_length=_spread(good, lambda one: one.told.output_tokens),
        piece_tokens=_spread(
            good, lambda one: _ratio(one.told.output_tokens, len(one.told.pieces))
        ),
        own_cpu=_by(sum(one.cpu_seconds for one in rounds), seconds),
    )


def ratio(pairs: Iterable[tuple[float, float]]) -> Ratio | None:
    """The ratio of each pair, with the median and the middle half; None where there is none."""
    ratios = [ours / theirs for ours, theirs in pairs if ours and theirs]
    if not ratios:
        return None
    if len(ratios) == 1:
        return Ratio(ratios, ratios[0], ratios[0], ratios[0])
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(ratios, median, low, high)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of ordered others does not exceed, between two if need be."""
    at = share * (len(values) - 1)
    below = int(at)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (at - below)


def spread(values: Sequence[float]) -> Spread | None:
    """The percentiles of values, where there are any."""
    if not values:
        return None
    ordered = sorted(values)
    return Spread(*(percentile(ordered, share) for share in (0.5, 0.95, 0.99)))


def _spread(answers: Sequence[Answer], of: Callable[[Answer], float | None]) -> Spread | None:
    return spread([value for answer in answers if (value := of(answer)) is not None])


def _ratio(value: float | None, by: float | None) -> float | None:
    return value / by if value is not None and by else None


def _by(value: float, seconds: float) -> float:
    return value / seconds if seconds else 0.0
