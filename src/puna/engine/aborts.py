"""Whether a step may be aborted: what that costs the others is bounded."""

# What aborts may cost the others at once; each second of work that is not lost earns another.
MOST_SECONDS = 1.0


class Aborts:
    """What aborts may still cost. `never` is for states that cannot be cut back."""

    def __init__(self, *, never: bool) -> None:
        self._never = never
        self._credit = MOST_SECONDS

    @property
    def allowed(self) -> bool:
        """Whether the step that runs now may be aborted."""
        return self._credit > 0 and not self._never

    def earn(self, seconds: float) -> None:
        """A step has run to its end."""
        self._credit = min(self._credit + seconds, MOST_SECONDS)

    def pay(self, seconds: float, sequences: int) -> None:
        """A step was aborted after so long; what ran alone costs nobody anything."""
        if sequences > 1:
            self._credit -= seconds
