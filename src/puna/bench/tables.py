"""A report as rows for people."""

from puna.bench.measures import Figures, Ratio, Spread
from puna.bench.report import Report, Stage

Row = tuple[str, ...]
_SPREADS = ("p50", "p95", "p99")
_COLUMNS = ("server", "out tok/s", "in tok/s", "time", *_SPREADS, "failed", "own CPU")


def figures_table(report: Report) -> list[Row]:
    """Each load, each server: throughput, and each kind of time with its percentiles."""
    embeds = report.workload == "embed"
    rows: list[Row] = [("rate" if report.stages[0].rate is not None else "clients", *_COLUMNS)]
    for stage in report.stages:
        for measured in stage.measured:
            rows += _rows(load_of(stage), f"{measured.subject + 1}", measured.all, embeds)
    return rows


def ratios_table(report: Report) -> list[Row]:
    """The first server by each other, in each pair of rounds."""
    head = ("", "figure", "server", "median", "middle half", "pairs")
    rows: list[Row] = [head]
    for stage in report.stages:
        for comparison in stage.comparisons:
            for name, found in comparison.ratios.items():
                against = f"1 / {comparison.subject + 1}"
                rows.append((load_of(stage), name.replace("_", " "), against, *_ratio(found)))
    return rows


def load_of(stage: Stage) -> str:
    """A stage by its load."""
    return f"{stage.rate:g}/s" if stage.rate is not None else f"{stage.clients}"


def seconds_of(seconds: float) -> str:
    """A time with three digits."""
    return f"{_short(seconds * 1000)} ms" if seconds < 1 else f"{_short(seconds)} s"


def _rows(load: str, name: str, figures: Figures, embeds: bool) -> list[Row]:
    rates = _short(figures.output_rate), _short(figures.prompt_rate)
    ends = _failed(figures), f"{figures.own_cpu:.1%}"
    times = {"to the first": figures.first, "a token": figures.token, "in all": figures.whole}
    if embeds:
        rates, times = ("", rates[1]), {"in all": figures.whole}
    rows = list[Row]()
    for what, spread in times.items():
        first = not rows
        before = (load, name, *rates) if first else ("", "", "", "")
        rows.append((*before, what, *_spread(spread), *(ends if first else ("", ""))))
    return rows


def _failed(figures: Figures) -> str:
    if not figures.failed:
        return "0"
    kinds = ", ".join(f"{count} {kind}" for kind, count in figures.failed.items())
    return f"{kinds} of {figures.requests}{', gave up' if figures.gave_up else ''}"


def _spread(spread: Spread | None) -> Row:
    if spread is None:
        return ("-",) * len(_SPREADS)
    return tuple(seconds_of(getattr(spread, name)) for name in _SPREADS)


def _ratio(found: Ratio) -> Row:
    pairs = " ".join(f"{one:.3g}" for one in found.pairs)
    return f"{found.median:.3f}", f"{found.low:.3f} to {found.high:.3f}", pairs


def _short(value: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}"
