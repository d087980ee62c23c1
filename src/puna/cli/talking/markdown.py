"""Markdown shown as it streams: what kind of line each is, and how it is set.

A line's beginning is held back until it tells what the line is; code stands as it came, between
its fences. Tables, links and HTML stay as they are written, which is legible.
"""

import re

from puna.cli.talking.paper import BOLD, CODE, DIM, PLAIN, UNDERLINED, Paper, Run, Style
from puna.cli.talking.spans import REACH, Spans

DASHES = 40
DEEPEST_QUOTE = 20

_BEGINNING = re.compile(r"(?P<indent>[ \t]{0,200})(?P<rest>.*)", re.DOTALL)
_HEADING = re.compile(r"(#{1,6}) +(?=\S)")
_BULLET = re.compile(r"[-*+] +(?=\S)")
_NUMBER = re.compile(r"\d{1,9}[.)] +(?=\S)")
_QUOTE = re.compile(r"> ?")
_FENCE = re.compile(r"(`{3,}|~{3,})[^`]*")
_RULE = re.compile(r"([-*_])( *\1){2,} *")
# The beginnings of which more must be known.
_OPEN = re.compile(
    r"#{1,6} *|[-*+] *|\d{1,9}[.)]? *|>|`{1,3}|~{1,3}|(?:`{3,}|~{3,})[^`]*|([-*_])( *\1)* *"
)
_LEVELS: dict[int, Style] = {1: (*BOLD, *UNDERLINED), 2: (*BOLD, *UNDERLINED)}


class Markdown:
    """Shows a text on paper, whatever the pieces that it comes in."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self._head = ""
        self._quote: list[Run] = []
        self._spans: Spans | None = None
        # The signs that code began with, and those that may stand before them at its end.
        self._fence = ""
        self._margin = " "
        self._in_code_line = False
        self._in_table = False

    def feed(self, text: str) -> None:
        """Show more of the text."""
        *lines, rest = text.split("\n")
        for line in lines:
            self._more(line)
            self._end_line()
            self._paper.end_line()
        if rest:
            self._more(rest)

    def close(self) -> None:
        """Show what is still held back."""
        self._end_line()
        self._paper.close()

    def _more(self, text: str) -> None:
        if self._in_code_line:
            self._paper.keep(text, CODE)
        elif self._spans is not None:
            self._show(self._spans.feed(text))
        else:
            self._head += text
            self._begin(ended=False)

    def _end_line(self) -> None:
        if self._spans is None and not self._in_code_line:
            self._begin(ended=True)
        if self._spans is not None:
            self._show(self._spans.finish())
        self._spans = None
        self._quote = []
        self._in_code_line = self._in_table = False

    def _begin(self, ended: bool) -> None:
        """Begin the line, if its head tells what it is."""
        if self._fence:
            self._begin_code(ended)
            return
        found = _BEGINNING.fullmatch(self._head)
        assert found is not None, "anything without a line's end is a line's beginning"
        indent, rest = found["indent"].replace("\t", "    "), found["rest"]
        short = len(rest) <= REACH
        if not ended and short and (not rest or _OPEN.fullmatch(rest)):
            return
        self._head = ""
        if (quote := _QUOTE.match(rest)) and len(self._quote) < DEEPEST_QUOTE:
            self._begin_quote(indent, rest[quote.end() :], ended)
        elif short and _FENCE.fullmatch(rest):
            self._fence = rest[: len(rest) - len(rest.lstrip(rest[0]))]
            self._margin = " >" if self._quote else " "
            self._paper.keep(indent + rest, DIM)
            self._spans = Spans()
        elif short and _RULE.fullmatch(rest):
            self._paper.keep(indent + "─" * DASHES, DIM)
            self._spans = Spans()
        else:
            self._begin_prose(indent, rest)

    def _begin_code(self, ended: bool) -> None:
        """Begin a line of code, unless it may be the one that ends it."""
        bare = self._head.strip(self._margin)
        may_close = len(self._head) <= REACH and not bare.strip(self._fence[0])
        if not ended and may_close:
            return
        head, self._head = self._head, ""
        if may_close and bare.startswith(self._fence):
            self._fence = ""
            self._paper.keep(head, DIM)
            self._spans = Spans()
        else:
            self._paper.keep(head, CODE)
            self._in_code_line = True

    def _begin_quote(self, indent: str, rest: str, ended: bool) -> None:
        bar: Run = (f"{indent}│ ", DIM)
        self._quote.append(bar)
        self._paper.keep(*bar)
        self._head = rest
        self._begin(ended)

    def _begin_prose(self, indent: str, rest: str) -> None:
        style = PLAIN
        lead = ""
        # All decide by the same signs, however many there are already.
        if heading := _HEADING.match(rest, 0, REACH):
            style = _LEVELS.get(len(heading[1]), BOLD)
            rest = rest[heading.end() :]
        elif bullet := _BULLET.match(rest, 0, REACH):
            lead, rest = "• ", rest[bullet.end() :]
        elif number := _NUMBER.match(rest, 0, REACH):
            lead, rest = number[0].rstrip() + " ", rest[number.end() :]
        self._in_table = rest.startswith("|")
        if indent or lead:
            self._paper.keep(indent + lead)
        self._paper.hang([*self._quote, (" " * len(indent + lead), PLAIN)])
        self._spans = Spans(style)
        self._show(self._spans.feed(rest))

    def _show(self, runs: list[Run]) -> None:
        put = self._paper.keep if self._in_table else self._paper.put
        for text, style in runs:
            put(text, style)
