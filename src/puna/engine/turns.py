"""Whose step it is where not all can step together: images, and sets of adapters."""

from collections.abc import Sequence

Adapters = tuple[tuple[int, float], ...]

# Another set costs the library as much as a step or more, for it lays out its buffers anew.
STEPS_OF_A_SET = 4


class Turns:
    """Gives steps in turn to those who cannot share one."""

    def __init__(self) -> None:
        self._set: Adapters = ()
        self._steps = 0
        self._pictured = False

    def next_set(self, wanted: Sequence[Adapters]) -> Adapters:
        """Which of the sets has the next step; `wanted` begins with who waited longest."""
        others = [adapters for adapters in wanted if adapters != self._set]
        keeps = len(others) < len(wanted) and self._steps < STEPS_OF_A_SET
        if others and not keeps:
            self._set, self._steps = others[0], 0
        self._steps += 1
        return self._set

    def picture_is_due(self) -> bool:
        """Whether an image may have the next step, while others wait: every second time."""
        self._pictured = not self._pictured
        return self._pictured
