"""Fair shares between principals: who has had the least work done, in tokens, is next.

This is fair queueing by virtual time. A principal's time is the tokens that were worked for it.
The queue's own time runs at the work of all, divided by the number of principals that have jobs.
Who comes in starts no earlier than that: idleness saves nothing up, and however many newcomers
there are, they cannot hold back anybody who was there before.
"""

from collections import defaultdict


class Shares:
    """The virtual times of all principals that have jobs."""

    def __init__(self) -> None:
        self._now = 0.0
        self._times: dict[str, float] = {}
        self._jobs: defaultdict[str, int] = defaultdict(int)

    def enter(self, principal: str) -> None:
        """One more job of this principal."""
        self._jobs[principal] += 1
        if self._jobs[principal] == 1:
            self._times[principal] = max(self._times.get(principal, 0.0), self._now)

    def leave(self, principal: str) -> None:
        """One job less; what was worked beyond the share is remembered until time catches up."""
        self._jobs[principal] -= 1
        if not self._jobs[principal]:
            del self._jobs[principal]
            for name in [one for one, time in self._times.items() if time <= self._now]:
                if name not in self._jobs:
                    del self._times[name]

    def work(self, principal: str, tokens: int) -> None:
        """So many tokens were worked for this principal."""
        if principal in self._jobs:
            self._times[principal] += tokens
            self._now += tokens / len(self._jobs)

    def time(self, principal: str) -> float:
        """How much this principal has had; the lower goes first."""
        return self._times[principal]
