"""Figures of rounds in turns, within a time; what fails is told, and loses no others."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Literal, ParamSpec, TypeVar

from findings import Finding, median

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Figures:
    """What was measured, by what it is, whose it is, and the round."""

    def __init__(self, minutes: float) -> None:
        self._found = defaultdict[tuple[str, str], dict[int, float]](dict)
        self._began = time.monotonic()
        self._end = self._began + minutes * 60

    def measure(
        self,
        what: str,
        measure: Callable[Parameters, Result],
        *given: Parameters.args,
        **more: Parameters.kwargs,
    ) -> Result | None:
        """Measure a thing; that it failed, or that there is no time for it, is told."""
        if time.monotonic() > self._end:
            print(f"{what}: no time is left for it", flush=True)
            return None
        try:
            return measure(*given, **more)
        except Exception as error:  # noqa: BLE001 - the others' figures are not to be lost
            print(f"{what}: {error!r}", flush=True)
            return None

    def put(self, what: str, whose: str, turn: int, value: float) -> None:
        """One figure."""
        self._found[what, whose][turn] = value

    def of(self, what: str, whose: str) -> list[float]:
        """All of these figures."""
        return [*self._found[what, whose].values()]

    def found(self, what: str, whose: str, unit: str = "", said: str = "") -> Iterator[Finding]:
        """The figures, if there are any."""
        if figures := self.of(what, whose):
            yield median(said or what, figures, unit)

    def against(
        self,
        what: str,
        ours: str,
        theirs: str,
        goal: float | None,
        better: Literal["higher", "lower"],
        said: str = "",
    ) -> Iterator[Finding]:
        """The ratios of the rounds that both have."""
        mine, others = self._found[what, ours], self._found[what, theirs]
        ratios = [mine[turn] / others[turn] for turn in mine if turn in others]
        if ratios:
            yield median(f"{said or what}: {ours} by {theirs}", ratios, "", goal, better)

    @property
    def minutes(self) -> float:
        """How long it has taken."""
        return (time.monotonic() - self._began) / 60
