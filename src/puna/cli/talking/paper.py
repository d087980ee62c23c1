"""A terminal to write on as text comes: styles, words that are kept whole, hanging indents.

What is written depends on the text alone, not on the pieces that it comes in. A word is written
once it is whole, so nothing that stands is ever taken back, and a terminal may change its size at
any time.
"""

from collections.abc import Callable, Sequence

from prompt_toolkit.utils import get_cwidth

# The parameters of terminals' style sequences (SGR), such as "1" for bold.
Style = tuple[str, ...]
Run = tuple[str, Style]

PLAIN: Style = ()
BOLD: Style = ("1",)
DIM: Style = ("2",)
ITALIC: Style = ("3",)
UNDERLINED: Style = ("4",)
STRUCK: Style = ("9",)
CODE: Style = ("36",)

# On less, wrapping makes nothing more legible.
LEAST_WIDTH = 20
_TABULATOR = 8
# Signs that command a terminal, and what stands for them: no answer may do that.
_COMMANDS = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n\r"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    ord("\r"): None,
}


def harmless(text: str) -> str:
    """The text without anything that a terminal would obey."""
    return text.translate(_COMMANDS)


class Paper:
    """Writes runs of text; `width` tells how wide the terminal is now, None that nothing wraps."""

    def __init__(
        self, write: Callable[[str], object], width: Callable[[], int] | None = None
    ) -> None:
        self._write = write
        self._width = width
        self._column = 0
        self._style = PLAIN
        self._hanging: Sequence[Run] = ()
        self._begun = False
        self._spaces: list[tuple[str, Style]] = []
        self._word: list[tuple[str, Style]] = []

    def put(self, text: str, style: Style = PLAIN) -> None:
        """Write text whose lines may be broken between words."""
        for sign in text:
            if sign == "\n":
                self.end_line()
            elif sign in " \t":
                self._end_word()
                self._spaces.append((sign, style))
            elif get_cwidth(sign) > 1:
                # Scripts of wide signs have no spaces: a line may be broken at any of them.
                self._end_word()
                self._word.append((sign, style))
                self._end_word()
            else:
                self._word.append((sign, style))

    def keep(self, text: str, style: Style = PLAIN) -> None:
        """Write text of one line as it is."""
        self._end_word()
        self._write_spaces()
        self._emit(text, style)

    def hang(self, runs: Sequence[Run]) -> None:
        """Begin the lines that this one is broken into with these."""
        self._hanging = runs

    def end_line(self) -> None:
        """Begin a new line."""
        self._end_word()
        self._spaces.clear()
        self._hanging = ()
        self._break_line()

    def close(self) -> None:
        """Write what is still held back, and leave the terminal without a style."""
        self._end_word()
        self._spaces.clear()
        self._set(PLAIN)

    @property
    def at_line_start(self) -> bool:
        """Whether nothing stands on this line."""
        return not (self._column or self._word or self._spaces)

    def _end_word(self) -> None:
        if not self._word:
            return
        word, self._word = self._word, []
        room = self._room()
        if room is not None and self._begun:
            needed = self._columns(self._spaces) + self._columns(word)
            if self._column + needed > room:
                self._spaces.clear()
                self._break_line()
                for text, style in self._hanging:
                    self._emit(text, style)
        self._write_spaces()
        for sign, style in word:
            if room is not None and self._column + get_cwidth(sign) > room:
                self._break_line()
            self._emit(sign, style)
        self._begun = True

    def _write_spaces(self) -> None:
        for sign, style in self._spaces:
            self._emit(sign, style)
        self._spaces.clear()

    def _break_line(self) -> None:
        self._set(PLAIN)
        self._write("\n")
        self._column = 0
        self._begun = False

    def _emit(self, text: str, style: Style) -> None:
        if not text:
            return
        self._set(style)
        self._write(text)
        self._column += self._columns([(text, style)])

    def _set(self, style: Style) -> None:
        if style == self._style:
            return
        off = "\x1b[0m" if self._style else ""
        self._write(f"{off}\x1b[{';'.join(style)}m" if style else off)
        self._style = style

    def _room(self) -> int | None:
        """How many columns lines have; the last is left free, where terminals differ."""
        width = self._width() - 1 if self._width is not None else 0
        return width if width >= LEAST_WIDTH else None

    def _columns(self, runs: Sequence[Run]) -> int:
        columns = 0
        for text, _ in runs:
            columns += text.count("\t") * _TABULATOR + get_cwidth(text.replace("\t", ""))
        return columns
