"""How far `puna bench` is, on a terminal."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from puna.bench.asking import Answer
from puna.bench.playing import Limit

# Drawing takes processor time that the measured server may want.
DRAWINGS_A_SECOND = 2


class Live:
    """A line with a bar, for the round that is running."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed} answers, {task.fields[failed]} failed"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            refresh_per_second=DRAWINGS_A_SECOND,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, failed=0)
        self._failed = 0

    def __enter__(self) -> "Live":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begin(self, what: str, limit: Limit) -> None:
        """A round begins."""
        self._failed = 0
        self._progress.reset(
            self._task, description=what, total=limit.requests, completed=0, failed=0
        )

    def answered(self, answer: Answer) -> None:
        """An answer came."""
        self._failed += answer.fault is not None
        self._progress.update(self._task, advance=1, failed=self._failed)
