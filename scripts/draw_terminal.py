"""Draws docs/assets/terminal.svg: what a terminal shows when the README is followed, for real.

Usage: python scripts/draw_terminal.py

A shell in a terminal of its own is typed into; a server with a throw-away home answers. What the
terminal shows in the end is drawn, letter by letter, with no fonts or styles from elsewhere.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import pexpect
import pyte
from run import server

PICTURE = Path(__file__).parents[1] / "docs" / "assets" / "terminal.svg"
COLUMNS, ROWS = 96, 60
SECONDS = 60
SHELL_PROMPT, TALK_PROMPT = "$ ", ">>> "
# What is typed, and what the terminal shows when it may go on.
SESSION = (
    ("puna run cria -o temperature=0 --think=false", TALK_PROMPT),
    ("Hello!", TALK_PROMPT),
    ("Extract name and age as JSON: Ana is 34 years old.", TALK_PROMPT),
    ("/set think", TALK_PROMPT),
    ("What is 47 + 38?", TALK_PROMPT),
    ("/bye", SHELL_PROMPT),
    ("puna ps", SHELL_PROMPT),
)

LETTER, LINE, SIZE, EDGE = 8.4, 19, 14, 18
COLOURS = {
    "default": "#d8d4cf",
    "black": "#8f8880",
    "red": "#f07a6a",
    "green": "#a5c261",
    "brown": "#e8bf6a",
    "blue": "#7aa6da",
    "magenta": "#c397d8",
    "cyan": "#70c0b1",
    "white": "#f5f0ea",
}
HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>A talk with Cria in a terminal</title>
<rect width="100%" height="100%" rx="10" fill="#231f1c"/>
<g fill="#5a524b"><circle cx="22" cy="20" r="6"/><circle cx="42" cy="20" r="6"/>\
<circle cx="62" cy="20" r="6"/></g>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="{size}" \
xml:space="preserve">
"""


def shown(address: str) -> list[list[Any]]:
    """The lines of the terminal when all is said, as its letters with their looks."""
    with tempfile.TemporaryDirectory() as home:
        command = Path(home) / "puna"
        command.write_text(f'#!{shutil.which("sh")}\nexec "{sys.executable}" -m puna "$@"\n')
        command.chmod(0o755)
        shell = pexpect.spawn(
            str(shutil.which("bash")),
            ["--norc", "--noprofile"],
            env={
                **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
                "HOME": home,
                "LANG": "C.UTF-8",
                "PATH": f"{home}:{os.environ['PATH']}",
                "PS1": SHELL_PROMPT,
                "PUNA_HOST": address,
                "PUNA_HOME": home,
                "TERM": "xterm-256color",
            },
            dimensions=(ROWS, COLUMNS),
            timeout=SECONDS,
            encoding="utf-8",
        )
        screen = pyte.Screen(COLUMNS, ROWS)
        stream = pyte.Stream(screen)
        try:
            wait_for(shell, screen, stream, SHELL_PROMPT)
            for typed, then in SESSION:
                shell.send(typed + "\r")
                wait_for(shell, screen, stream, then)
        finally:
            shell.close(force=True)
        rows = [[screen.buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)]
    last = max(row for row, cells in enumerate(rows) if text_of(cells).strip())
    # The prompt at the end waits for nothing.
    return rows[:last]


def wait_for(shell: Any, screen: Any, stream: Any, prompt: str) -> None:
    """Read on until the terminal waits behind this prompt, further down than before."""
    before = screen.cursor.y
    while not (
        (screen.cursor.y > before or before == 0)
        and screen.display[screen.cursor.y].startswith(prompt)
        and screen.cursor.x == len(prompt)
    ):
        stream.feed(answered(shell, shell.read_nonblocking(4096, SECONDS)))


def answered(shell: Any, text: str) -> str:
    """What was written; where it asks the terminal for its cursor, as some do, it is told.

    What shall be faint is made grey, since the screen knows nothing of faint letters.
    """
    if "\x1b[6n" in text:
        shell.send("\x1b[1;1R")
    grey = text.replace("\x1b[6n", "").replace("\x1b[2m", "\x1b[90m")
    return grey.replace("\x1b[22m", "\x1b[22;39m")


def drawn(rows: list[list[Any]]) -> str:
    """The lines as a picture."""
    width, height = round(COLUMNS * LETTER + 2 * EDGE), len(rows) * LINE + 62
    parts = [HEAD.format(width=width, height=height, size=SIZE)]
    for number, cells in enumerate(rows):
        parts += spans(cells, 56 + number * LINE)
    return "".join([*parts, "</g>\n</svg>\n"])


def spans(cells: list[Any], y: int) -> Iterator[str]:
    """The stretches of one look in a line."""
    column = 0
    for (colour, bold), group in groupby(cells, key=lambda cell: (cell.fg, cell.bold)):
        text = "".join(cell.data for cell in group)
        if text.strip():
            x = EDGE + (column + len(text) - len(text.lstrip())) * LETTER
            long = len(text.strip()) * LETTER
            weight = ' font-weight="bold"' if bold else ""
            yield (
                f'<text x="{x:.1f}" y="{y}" textLength="{long:.1f}" fill="{hue(colour)}"{weight}>'
                f"{escape(text.strip())}</text>\n"
            )
        column += len(text)


def hue(colour: str) -> str:
    """A terminal's colour as one of the web."""
    plain = colour.removeprefix("bright")
    if re.fullmatch(r"[0-9a-f]{6}", plain):
        return f"#{plain}"
    return COLOURS.get(plain, COLOURS["default"])


def text_of(cells: list[Any]) -> str:
    """What stands in a line."""
    return "".join(cell.data for cell in cells)


if __name__ == "__main__":
    with server() as address:
        lines = shown(address)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(drawn(lines))
    print("\n".join(text_of(cells).rstrip() for cells in lines))
