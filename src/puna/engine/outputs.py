"""What a step brought for each request, gathered until it is told all at once."""

from collections.abc import Callable

from puna.engine.sequence import Output


class Outputs:
    """The outputs that are still to be told; `emit` gets them."""

    def __init__(self, emit: Callable[[list[Output]], None]) -> None:
        self._emit = emit
        self._untold: dict[str, Output] = {}

    def of(self, key: str) -> Output:
        """The output of a request, for more to be added."""
        output = self._untold.get(key)
        if output is None:
            output = self._untold[key] = Output(key)
        return output

    def drop(self, key: str) -> None:
        """Tell nothing of a request."""
        self._untold.pop(key, None)

    def flush(self) -> None:
        """Tell everything that there is to tell."""
        if self._untold:
            outputs, self._untold = list(self._untold.values()), {}
            self._emit(outputs)
