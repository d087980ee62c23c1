"""What was found: a number with its spread, its goal, and whether that is met."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One number that was measured."""

    what: str
    value: float
    unit: str
    least: float
    most: float
    goal: float | None = None
    better: Literal["higher", "lower"] = "lower"

    @property
    def verdict(self) -> str:
        """Whether the goal is met."""
        if self.goal is None:
            return ""
        met = self.value >= self.goal if self.better == "higher" else self.value <= self.goal
        return "met" if met else "**missed**"

    @property
    def row(self) -> str:
        """A row of the table."""
        sign = "≥" if self.better == "higher" else "≤"
        goal = "" if self.goal is None else f"{sign} {self.goal:g} {self.unit}".strip()
        spread = f"{_short(self.least)} to {_short(self.most)}"
        value = f"{_short(self.value)} {self.unit}".strip()
        return f"| {self.what} | {value} | {spread} | {goal} | {self.verdict} |"


HEAD = "| what | median | middle half | goal | |\n| --- | --- | --- | --- | --- |"


def median(
    what: str,
    values: Sequence[float],
    unit: str = "",
    goal: float | None = None,
    better: Literal["higher", "lower"] = "lower",
) -> Finding:
    """The median, with the quartiles as its spread."""
    least, middle, most = quartiles(values)
    return Finding(what, middle, unit, least, most, goal, better)


def quartiles(values: Iterable[float]) -> tuple[float, float, float]:
    """The three values that cut others into quarters; a single one is all three."""
    given = list(values)
    first, second, third = statistics.quantiles(
        given if len(given) > 1 else given * 2, n=4, method="inclusive"
    )
    return first, second, third


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of others does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def table(findings: Iterable[Finding]) -> str:
    """All of them, as a table of Markdown."""
    return "\n".join([HEAD, *(finding.row for finding in findings)])


def _short(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"
