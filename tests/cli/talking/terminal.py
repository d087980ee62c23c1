"""A real terminal: a process in it, what is typed into it, and what stands on its screen."""

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pexpect
import pyte
from tests.serving import FOREIGN

PATIENCE = 60.0
CTRL_C, CTRL_D, CTRL_G, ENTER, TAB = "\x03", "\x04", "\x07", "\r", "\t"
UP, LEFT, HOME = "\x1b[A", "\x1b[D", "\x01"
# Longer than any test's output.
ROWS = 200


class Terminal:
    """A command in a terminal of its own."""

    def __init__(
        self, program: str, words: list[str], environment: dict[str, str], columns: int
    ) -> None:
        self._screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.Stream(self._screen)
        self._child = pexpect.spawn(
            program,
            words,
            env=environment,
            dimensions=(ROWS, columns),
            encoding="utf-8",
        )
        # It would wait before it types.
        self._child.delaybeforesend = None
        self.output = ""

    @property
    def text(self) -> str:
        """The lines on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def line(self) -> str:
        """The line that the cursor is on."""
        return self._screen.display[self._screen.cursor.y].rstrip()

    def type(self, text: str) -> None:
        self._child.send(text)

    def paste(self, text: str) -> None:
        """As terminals do that tell what is pasted from what is typed."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int) -> None:
        self._screen.resize(ROWS, columns)
        self._child.setwinsize(ROWS, columns)

    def until(self, seen: str | Callable[[str], object]) -> str:
        """Wait for a text on the screen, or for what is true of the screen."""
        check = seen if callable(seen) else lambda text: seen in text
        limit = time.monotonic() + PATIENCE
        while not check(self.text):
            assert time.monotonic() < limit, f"{seen!r} did not come:\n{self.text}"
            try:
                self._take(self._child.read_nonblocking(65536, timeout=1))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert check(self.text), f"It ended before {seen!r} came:\n{self.text}"
        return self.text

    def prompted(self, number: int = 1) -> str:
        """Wait until something can be typed, for the so-manieth time."""

        def ready(text: str) -> bool:
            prompts = [line for line in text.split("\n") if line.startswith(">>>")]
            return len(prompts) >= number and self.line.startswith(">>>")

        return self.until(ready)

    def style(self, text: str) -> set[str]:
        """How a text on the screen is set."""
        for row, line in enumerate(self._screen.display):
            if (column := line.find(text)) >= 0:
                cell = self._screen.buffer[row][column]
                styles = {name for name in ("bold", "italics", "underscore") if getattr(cell, name)}
                return styles | ({cell.fg} - {"default"})
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    def end(self) -> int:
        """Read until it ends: its exit code."""
        while True:
            try:
                self._take(self._child.read_nonblocking(65536, timeout=PATIENCE))
            except pexpect.EOF:
                break
        self._child.wait()
        return self._child.exitstatus if self._child.exitstatus is not None else -1

    def close(self) -> None:
        self._child.close(force=True)

    def _take(self, output: str) -> None:
        self.output += output
        self._stream.feed(output)


@contextmanager
def terminal(
    *words: str, columns: int = 80, program: str = "", **environment: str
) -> Generator[Terminal]:
    """`puna` with these words, or another program."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    own.pop("NO_COLOR", None)
    own |= {"TERM": "xterm-256color", "PUNA_CONFIG": os.devnull, "LANG": "C.UTF-8"}
    puna = [] if program else ["-m", "puna"]
    opened = Terminal(program or sys.executable, [*puna, *words], own | environment, columns)
    try:
        yield opened
    finally:
        opened.close()
