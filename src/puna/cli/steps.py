"""What takes time, step by step: a bar or a spinner on a terminal, a plain line each elsewhere."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from puna.cli.tables import DIGITS, size_of
from puna.cli.terminal import moving

# Of a digest, as much as tells it from others.
_DIGEST = re.compile(rf"sha256:([0-9a-f]{{{DIGITS}}})[0-9a-f]+")
# From this size on, a bar is worth looking at.
LARGE = 8 << 20


class Steps:
    """Shows steps on the error stream, so that the output has only what comes of them."""

    def __init__(self) -> None:
        self._progress: Any = _progress() if moving(sys.stderr) else None
        self._spinner: Any = None
        self._counting = ""

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._progress is not None:
            if kind is None:
                self._end_step()
            self._progress.stop()

    def step(self, text: str) -> None:
        """Something has begun or is done."""
        text = _DIGEST.sub(r"\1", text)
        if self._progress is None:
            print(text, file=sys.stderr, flush=True)
            return
        self._end_step()
        self._spinner = self._progress.add_task(text, total=None)

    def told(self, line: Mapping[str, Any]) -> None:
        """What a server says of its work: a step, or how many bytes of one are done."""
        text, total = line["status"], line.get("total", 0)
        if not total:
            self._counting = ""
            self.step(text)
            return
        if self._counting != text:
            self._counting = text
            self.step(text)
        if self._progress is not None:
            self._progress.update(self._spinner, total=total, completed=line.get("completed", 0))

    def counted(self, text: str, size: int, portions: Iterable[bytes]) -> Iterator[bytes]:
        """The portions, shown as they go by."""
        if self._progress is None:
            if size >= LARGE:
                print(f"{text} ({size_of(size)})", file=sys.stderr, flush=True)
            yield from portions
            return
        self._end_step()
        task = self._progress.add_task(text, total=size)
        for portion in portions:
            yield portion
            self._progress.advance(task, len(portion))

    def _end_step(self) -> None:
        if self._spinner is not None:
            self._progress.update(self._spinner, total=1, completed=1)
            self._spinner = None


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn
    from rich.table import Column

    return Progress(
        SpinnerColumn(finished_text="✓", table_column=Column(min_width=1)),
        TextColumn("{task.description}", markup=False),
        *_columns(),
        console=Console(stderr=True),
    )


def _columns() -> list[Any]:
    """A bar with rate and time left, for what is counted."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        ProgressColumn,
        Task,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text

    class Counted(ProgressColumn):
        def __init__(self, column: Any) -> None:
            super().__init__()
            self._column = column

        def render(self, task: Task) -> Any:
            counted = task.total is not None and task.total > 1
            return self._column.render(task) if counted else Text()

    columns = BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn()
    return [Counted(column) for column in (*columns, TimeRemainingColumn())]
