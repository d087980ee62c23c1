"""Stop strings over text that comes in pieces."""

from collections import deque
from collections.abc import Sequence


class Stops:
    """Lets text through up to the first stop string, and holds back what may become one.

    The first is the one that is complete first, whatever the borders of the pieces; of several
    that end at the same character the longest. It is not let through. (One automaton for all
    stops, after Aho and Corasick: a character costs the same however many stops there are.)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.hit: str | None = None
        self._steps: list[dict[str, int]] = [{}]
        self._depths = [0]
        self._stops: list[str | None] = [None]
        for stop in stops:
            self._add(stop)
        self._fallbacks = self._link()
        self._node = 0
        self._held = ""

    def push(self, text: str) -> str:
        """What may be shown now. After a hit, nothing."""
        if self.hit is not None:
            return ""
        if not self._steps[0]:
            return text
        text = self._held + text
        for at in range(len(self._held), len(text)):
            self._node = self._next(self._node, text[at])
            stop = self._stops[self._node]
            if stop is not None:
                self.hit = stop
                self._held = ""
                return text[: at + 1 - len(stop)]
        shown = len(text) - self._depths[self._node]
        self._held = text[shown:]
        return text[:shown]

    def finish(self) -> str:
        """What was held back and has not become a stop."""
        held, self._held, self._node = self._held, "", 0
        return held

    def _next(self, node: int, char: str) -> int:
        while char not in self._steps[node]:
            if node == 0:
                return 0
            node = self._fallbacks[node]
        return self._steps[node][char]

    def _add(self, stop: str) -> None:
        node = 0
        for depth, char in enumerate(stop, start=1):
            if char not in self._steps[node]:
                self._steps[node][char] = len(self._steps)
                self._steps.append({})
                self._depths.append(depth)
                self._stops.append(None)
            node = self._steps[node][char]
        if stop:
            self._stops[node] = stop

    def _link(self) -> list[int]:
        """Give each node its fallback: the longest proper end of its text that starts a stop."""
        self._fallbacks = [0] * len(self._steps)
        waiting = deque(self._steps[0].values())
        while waiting:
            node = waiting.popleft()
            fallback = self._fallbacks[node]
            # A stop within a longer one is complete before it.
            self._stops[node] = self._stops[node] or self._stops[fallback]
            for char, child in self._steps[node].items():
                self._fallbacks[child] = self._next(fallback, char)
                waiting.append(child)
        return self._fallbacks
