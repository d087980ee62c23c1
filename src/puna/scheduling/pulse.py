"""Whether a runner makes progress: it is heard of, and while it has work, it takes steps."""

from dataclasses import dataclass

from puna.runners.runner import Runner


@dataclass(slots=True)
class Pulse:
    """What was last heard of one runner, and how long that is ago by the server's own looks.

    The time between two looks counts only as far as it was meant to be: when the server itself
    was held up, its runners are not to blame.
    """

    heard: int = -1
    steps: int = -1
    silent: float = 0.0
    stuck: float = 0.0

    def look(self, runner: Runner, seconds: float) -> float:
        """For how long there has been no progress, so many seconds after the last look."""
        load = runner.busyness
        self.silent = self.silent + seconds if runner.heard == self.heard else 0.0
        works = load.running > 0 or load.waiting > 0
        self.stuck = self.stuck + seconds if works and load.steps == self.steps else 0.0
        self.heard, self.steps = runner.heard, load.steps
        return max(self.silent, self.stuck)
