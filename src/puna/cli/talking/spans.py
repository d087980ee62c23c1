"""What is set apart within a line of Markdown: emphasis, code, and signs that stand for themselves.

A marker counts once its other half has come, so that nothing is lost of `2 * 3` or `*args`; until
then it is held back, with what follows it, but never for longer than a line or `REACH` signs.
Underscores are left alone, since names in programs have them.
"""

import re

from puna.cli.talking.paper import BOLD, CODE, ITALIC, PLAIN, STRUCK, Run, Style

REACH = 400
_SPECIAL = re.compile(r"[*~`\\]")
_ESCAPABLE = frozenset("\\`*~_#+-.!|<>[]()")
_EMPHASIS: dict[str, Style] = {
    "*": ITALIC,
    "**": BOLD,
    "***": (*BOLD, *ITALIC),
    "~~": STRUCK,
}
_UNDECIDED = -2
_NOWHERE = -1


class Spans:
    """Takes a line's text piece by piece and gives it in runs."""

    def __init__(self, style: Style = PLAIN) -> None:
        self._style = style
        self._text = ""
        self._before = ""

    def feed(self, text: str) -> list[Run]:
        """More of the line; the runs that are decided by it."""
        self._text += text
        return self._take(ended=False)

    def finish(self) -> list[Run]:
        """The rest, as the line has ended."""
        return self._take(ended=True)

    def _take(self, ended: bool) -> list[Run]:
        runs: list[Run] = []
        text, at = self._text, 0
        while at < len(text):
            end = self._one(text, at, ended, runs)
            if end == at:
                break
            self._before = text[end - 1]
            at = end
        self._text = text[at:]
        return runs

    def _one(self, text: str, at: int, ended: bool, runs: list[Run]) -> int:
        """Add what begins here to the runs; where it ends, which is here if that is undecided."""
        sign = text[at]
        if sign == "\\":
            return self._escaped(text, at, ended, runs)
        if sign not in "*~`":
            found = _SPECIAL.search(text, at)
            end = found.start() if found else len(text)
            runs.append((text[at:end], self._style))
            return end
        end = _run_end(text, at)
        if end == len(text) and end - at < REACH and not ended:
            return at
        marker = text[at:end]
        closing = self._closing(text, marker, end, ended)
        if closing == _UNDECIDED:
            return at
        if closing == _NOWHERE:
            runs.append((marker, self._style))
            return end
        runs += self._inside(marker, text[end:closing])
        return closing + len(marker)

    def _escaped(self, text: str, at: int, ended: bool, runs: list[Run]) -> int:
        if at + 1 == len(text) and not ended:
            return at
        if text[at + 1 : at + 2] in _ESCAPABLE:
            runs.append((text[at + 1], self._style))
            return at + 2
        runs.append(("\\", self._style))
        return at + 1

    def _inside(self, marker: str, text: str) -> list[Run]:
        if marker[0] == "`":
            padded = text.startswith(" ") and text.endswith(" ") and text.strip()
            return [(text[1:-1] if padded else text, (*self._style, *CODE))]
        inner = Spans((*self._style, *_EMPHASIS[marker]))
        return [*inner.feed(text), *inner.finish()]

    def _closing(self, text: str, marker: str, start: int, ended: bool) -> int:
        """Where the marker's other half is."""
        if not self._opens(text, marker, start):
            return _NOWHERE
        at = start
        while (at := text.find(marker[0], at)) >= 0:
            if at > start + REACH:
                return _NOWHERE
            end = _run_end(text, at)
            if end == len(text) and end - at < REACH and not ended:
                return _UNDECIDED
            if (closing := _closes(text, marker, at, end)) >= 0:
                return closing
            at = end
        return _NOWHERE if ended or len(text) - start > REACH else _UNDECIDED

    def _opens(self, text: str, marker: str, start: int) -> bool:
        if marker[0] == "`":
            return True
        if marker not in _EMPHASIS or not text[start : start + 1].strip():
            return False
        return not (marker == "*" and _in_word(self._before))


def _closes(text: str, marker: str, at: int, end: int) -> int:
    """Where in a run of its sign a marker is closed, if it is there."""
    length, wanted = end - at, len(marker)
    if marker[0] == "`":
        return at if length == wanted else _NOWHERE
    if text[at - 1].isspace() or text[at - 1] == "\\":
        return _NOWHERE
    if length == wanted:
        inside_word = marker == "*" and _in_word(text[end : end + 1])
        return _NOWHERE if inside_word else at
    # What is set apart in it ends with it: **bold *and italic***.
    return at + 3 - wanted if length == 3 and marker in ("*", "**") else _NOWHERE


def _run_end(text: str, at: int) -> int:
    """Where a run of one sign ends, which is bounded like all else."""
    end = at + 1
    while end < len(text) and text[end] == text[at] and end - at < REACH:
        end += 1
    return end


def _in_word(sign: str) -> bool:
    return sign.isascii() and sign.isalnum()
