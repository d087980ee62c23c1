"""Whether a step may be aborted: what that costs the others is bounded."""

from collections.abc import Iterable

# What aborts may cost the others at once; each second of work that is not lost earns another.
MOST_SECONDS = 1.0


class Aborts:
    """What aborts may still cost. `never` is for states that cannot be cut back.

    Once aborts have cost what they may, steps are to be short instead, so that whoever cancels
    then waits no longer than for one that is aborted, while the others get on.
    """

    def __init__(self, *, never: bool) -> None:
        self._never = never
        self._credit = MOST_SECONDS
        self._step: frozenset[str] = frozenset()
        self._leaving: set[str] = set()

    @property
    def spent(self) -> bool:
        """Whether aborts have cost all that they may for now."""
        return self._credit <= 0 and not self._never

    def begin(self, keys: Iterable[str]) -> None:
        """A step of these sequences begins."""
        self._leaving.clear()
        self._step = frozenset(keys)

    def allowed(self, key: str) -> bool:
        """Whether the step that runs now may be aborted for this sequence; from any thread."""
        self._leaving.add(key)
        return not self._never and (self._credit > 0 or self._costs_nobody)

    def earn(self, seconds: float) -> None:
        """A step has run to its end."""
        self._credit = min(self._credit + seconds, MOST_SECONDS)

    def pay(self, seconds: float) -> None:
        """A step was aborted after so long; where all in it have left, nobody has lost anything."""
        if not self._costs_nobody:
            self._credit -= seconds

    @property
    def _costs_nobody(self) -> bool:
        return self._step <= self._leaving
