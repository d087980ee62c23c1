"""What answers are shown on: a terminal with all that it can, or a file, or another program."""

import os
import sys
from collections.abc import Callable

from puna.cli.talking.display import Look
from puna.cli.talking.waiting import Waiting
from puna.cli.talking.wishes import Wishes
from puna.cli.terminal import colourful, moving, tell

USUAL_WIDTH = 80


class Screen:
    """The streams of this process: one for what is said, one for what is told beside."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self.colours = colourful(sys.stdout)
        self._wraps = moving(sys.stdout)
        self._moves = moving(sys.stderr)

    def look(self, wishes: Wishes) -> Look:
        """How an answer is shown. What has a format of its own is not taken for Markdown."""
        return Look(
            terminal=self.terminal,
            colours=self.colours,
            markdown=self.colours and not wishes.format,
            hide_thinking=wishes.hide_thinking,
            width=width if self._wraps and wishes.wrap else None,
        )

    def waiting(self, ask: Callable[[], str]) -> Waiting:
        """Tells what is waited for, where it can go again."""
        return Waiting(ask, width, moves=self._moves)

    def note(self, text: str) -> None:
        """Note something beside what is said."""
        sys.stdout.flush()
        print(text, file=sys.stderr, flush=True)

    def tell(self, text: str) -> None:
        """Tell what Puna itself has to say."""
        sys.stdout.flush()
        tell(text)


def width() -> int:
    """How wide the terminal is now."""
    for stream in (sys.stdout, sys.stderr):
        try:
            return os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH
        except OSError:
            continue
    return USUAL_WIDTH
