"""A constraint that holds only from some tokens on, such as those that end thinking."""

from collections.abc import Sequence

from puna.engine.constraints import Matcher
from puna.engine.sampling import Mask


class Gate:
    """A matcher behind a gate: everything may come until the key has; then the matcher holds."""

    def __init__(self, matcher: Matcher, key: tuple[int, ...]) -> None:
        self._matcher = matcher
        self._key = key
        self._last: tuple[int, ...] = ()
        self._open = not key

    def mask(self) -> Mask | None:
        """The tokens that may come next, None while all may."""
        return self._matcher.mask() if self._open else None

    def accept(self, token: int) -> None:
        """Go on by one token."""
        if self._open:
            self._matcher.accept(token)
            return
        self._last = (*self._last, token)[-len(self._key) :]
        self._open = self._last == self._key

    def allowed(self, tokens: Sequence[int]) -> int:
        """How many of these tokens may come next, one after the other."""
        return self._matcher.allowed(tokens) if self._open else len(tokens)

    def forced(self) -> list[int]:
        """Tokens that must come next whatever the model thinks."""
        return self._matcher.forced() if self._open else []

    @property
    def stopped(self) -> bool:
        """Whether nothing but an end may come."""
        return self._open and self._matcher.stopped
