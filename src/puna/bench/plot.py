"""Draws a report: throughput and times against load, a colour for each server."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from puna.bench.canvas import Canvas, Point, canvas
from puna.bench.measures import Figures, Spread
from puna.bench.report import Report
from puna.bench.tables import load_of

COLOURS = ("#1f6fb4", "#d9601a", "#2f8f4e", "#8e4fa8", "#8a6d3b")
INK, GRID = "#333333", "#dddddd"
WIDTH, HEIGHT = 380, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 40, 46
LEGEND = 22

# A value for each load; None where nothing was measured.
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram: a figure, and where dashed a higher percentile of it."""

    title: str
    solid: Callable[[Figures], float | None]
    dashed: Callable[[Figures], float | None] | None = None


def _milliseconds(
    of: Callable[[Figures], Spread | None], name: str
) -> Callable[[Figures], float | None]:
    def read(figures: Figures) -> float | None:
        spread = of(figures)
        return getattr(spread, name) * 1000 if spread else None

    return read


def _times(title: str, of: Callable[[Figures], Spread | None]) -> Panel:
    return Panel(f"{title}, ms (p95 dashed)", _milliseconds(of, "p50"), _milliseconds(of, "p95"))


GENERATING = (
    Panel("output tokens a second", lambda one: one.output_rate),
    _times("time to first token", lambda one: one.first),
    _times("time a token", lambda one: one.token),
)
EMBEDDING = (
    Panel("prompt tokens a second", lambda one: one.prompt_rate),
    _times("time in all", lambda one: one.whole),
)


def write(report: Report, path: Path) -> None:
    """Draw a report into a file."""
    panels = EMBEDDING if report.workload == "embed" else GENERATING
    sheet = canvas(path, WIDTH * len(panels), HEIGHT + LEGEND * len(report.subjects))
    for number, panel in enumerate(panels):
        _draw(sheet, number * WIDTH, panel, report)
    for number, subject in enumerate(report.subjects):
        at = HEIGHT + LEGEND * (number + 0.5)
        colour = COLOURS[number % len(COLOURS)]
        sheet.line([(LEFT, at), (LEFT + 28, at)], colour, 2, False)
        text = f"{subject.url}, {subject.model}, {subject.api}'s API"
        sheet.text((LEFT + 38, at + 4), text, 12, "start", INK)
    sheet.save(path)


def _draw(sheet: Canvas, left: float, panel: Panel, report: Report) -> None:
    loads = [load_of(stage) for stage in report.stages]
    lines = list(_lines(panel, report))
    step, top = scale(
        max((one for *_, line in lines for one in line if one is not None), default=1)
    )

    def place(index: int, value: float) -> Point:
        inner = WIDTH - LEFT - RIGHT
        x = LEFT + inner * (index + 0.5) / len(loads)
        return left + x, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top

    sheet.text((left + WIDTH / 2, TOP - 18), panel.title, 13, "middle", INK)
    for tick in range(round(top / step) + 1):
        y = place(0, tick * step)[1]
        sheet.line([(left + LEFT, y), (left + WIDTH - RIGHT, y)], GRID, 1, False)
        sheet.text((left + LEFT - 6, y + 4), f"{tick * step:g}", 11, "end", INK)
    for index, load in enumerate(loads):
        sheet.text((place(index, 0)[0], HEIGHT - BOTTOM + 16), load, 11, "middle", INK)
    under = "arrivals" if report.stages[0].rate is not None else "clients"
    sheet.text((left + WIDTH / 2, HEIGHT - BOTTOM + 34), under, 11, "middle", INK)
    for colour, dashed, values in lines:
        for known in _stretches(
            [None if value is None else place(at, value) for at, value in enumerate(values)]
        ):
            if len(known) > 1:
                sheet.line(known, colour, 2, dashed)
            for at in known:
                sheet.dot(at, colour)


def _stretches(points: Sequence[Point | None]) -> list[list[Point]]:
    """The points between gaps."""
    stretches: list[list[Point]] = [[]]
    for point in points:
        if point is None:
            stretches.append([])
        else:
            stretches[-1].append(point)
    return stretches


def _lines(panel: Panel, report: Report) -> list[tuple[str, bool, Values]]:
    """The lines of a panel: colour, whether dashed, values."""
    lines = list[tuple[str, bool, Values]]()
    for number in range(len(report.subjects)):
        colour = COLOURS[number % len(COLOURS)]
        measured = [stage.measured[number].all for stage in report.stages]
        lines.append((colour, False, [panel.solid(one) for one in measured]))
        if panel.dashed is not None:
            lines.append((colour, True, [panel.dashed(one) for one in measured]))
    return lines


def scale(most: float) -> tuple[float, float]:
    """The step of an axis and its end: round numbers, of which a handful reach so far."""
    if most <= 0:
        return 1, 1
    size = 10 ** math.floor(math.log10(most / 4))
    step = next(size * one for one in (1, 2, 2.5, 5, 10) if size * one * 5 >= most)
    return step, step * math.ceil(most / step - 1e-9)
