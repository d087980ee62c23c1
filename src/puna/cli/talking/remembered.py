"""What was typed in former talks: a line of JSON each, in a file that only its owner reads."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import History

MOST = 1000


class Remembered(History):
    """The lines of a file; where it cannot be read or written, those of this talk."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self.enabled = True

    def append_string(self, string: str) -> None:
        """Remember what was typed, unless it is what was typed before or nothing shall be."""
        if self.enabled and self.get_strings()[-1:] != [string]:
            super().append_string(string)

    def load_history_strings(self) -> Iterable[str]:
        """What was typed, the latest first."""
        try:
            lines = self._file.read_text(errors="replace").splitlines()
        except OSError:
            return
        if len(lines) > 2 * MOST:
            self._shorten(lines[-MOST:])
        for line in reversed(lines[-MOST:]):
            try:
                typed = json.loads(line)
            except ValueError:
                continue
            if isinstance(typed, str):
                yield typed

    def store_string(self, string: str) -> None:
        """Write down what was typed."""
        with suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(self._file, os.O_APPEND, json.dumps(string) + "\n")

    def _shorten(self, lines: list[str]) -> None:
        shorter = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        with suppress(OSError):
            _write(shorter, os.O_EXCL, "".join(f"{line}\n" for line in lines))
            os.replace(shorter, self._file)


def _write(file: Path, how: int, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how
    with open(os.open(file, flags, 0o600), "w") as opened:
        opened.write(text)
