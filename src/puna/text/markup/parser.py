"""The streaming parser: a model's text in, pieces of thinking, text and tool calls out.

What could still become markup is held back until that is decided; what was taken for markup and
turns out not to be is given as text. Whitespace beside markup belongs to the markup.
"""

import re
from collections.abc import Sequence

from puna.jobs import Tool
from puna.text.markup.calls import CallReader
from puna.text.markup.format import Begun, Markup
from puna.text.markup.harmony import Harmony
from puna.text.markup.pieces import Piece, Tray
from puna.text.markup.source import Source, Steps, overlap, without_space, words_of


class Parser:
    """Parses one answer. `begun` says what the prompt has opened of it already."""

    def __init__(self, markup: Markup, *, tools: Sequence[Tool] = (), begun: Begun = "") -> None:
        self._source = Source()
        self._tray = Tray()
        match markup.named:
            case "harmony":
                harmony = Harmony(self._source, self._tray)
                self._steps = harmony.steps(started_thinking=begun == "thinking")
            case "":
                answer = _Answer(self._source, self._tray, markup, tools)
                self._steps = answer.steps(started_thinking=begun == "thinking")
                self._source.feed("" if begun else markup.lead)
        self._finished = False

    def push(self, text: str) -> list[Piece]:
        """What is decided, now that this text has come."""
        self._source.feed(text)
        self._go_on()
        return self._tray.taken()

    def finish(self) -> list[Piece]:
        """All that was held back, now that no more text will come."""
        self._source.end()
        self._go_on()
        return self._tray.taken()

    def _go_on(self) -> None:
        if self._finished:
            self._tray.text(self._source.up_to(self._source.at + len(self._source.ahead())))
            self._source.commit()
            return
        try:
            next(self._steps)
        except StopIteration:
            self._finished = True
            self._go_on()


class _Answer:
    """Reads an answer whose markup is literals in a running text."""

    def __init__(self, source: Source, tray: Tray, markup: Markup, tools: Sequence[Tool]) -> None:
        self._source = source
        self._tray = tray
        calls = markup.calls if tools else None
        self._calls = CallReader(source, tray, calls, tools) if calls else None
        self._calls_open = words_of(calls.open) if calls else ()
        self._think_open = words_of(markup.think.open) if markup.think else ()
        self._think_close: tuple[str, ...] = words_of(markup.think.close) if markup.think else ()
        around = (markup.text.open, markup.text.close) if markup.text else ()
        self._around = [words for words in map(words_of, (*around, markup.ending)) if words]
        openings = (self._think_open, self._calls_open, *self._around)
        # The longer literal is tried first: a shorter one may be its beginning.
        self._openings = sorted({words for words in openings if words}, key=_length, reverse=True)
        self._anchors = sorted({words[0] for words in self._openings}, key=len, reverse=True)
        self._anchor = re.compile("|".join(map(re.escape, self._anchors)) or r"(?!)")

    def steps(self, *, started_thinking: bool) -> Steps[None]:
        """Read to the end."""
        source = self._source
        if started_thinking and self._think_close:
            yield from self._thinking()
        elif self._think_close:
            yield from self._no_thinking()
        if self._calls and not self._calls_open:
            yield from self._bare(self._calls)
        while not source.exhausted:
            ahead = source.ahead()
            found = self._anchor.search(ahead)
            decided = len(ahead) if source.ended else _decided(ahead, self._anchors)
            # A longer word may have begun before this one, which is then a part of it.
            if found is None or found.start() > decided:
                self._tray.text(source.up_to(source.at + decided))
                source.commit()
                if not source.exhausted:
                    yield
                continue
            place = source.at + found.start()
            spoken = without_space(ahead[: found.start()])
            self._tray.text(source.up_to(source.at + spoken))
            source.commit()
            source.at = place
            if (yield from self._markup()):
                source.commit()
                yield from source.skip_space()
                source.commit()
            else:
                source.at = max(source.at, place + 1)
                self._tray.text(source.held())
                source.commit()

    def _markup(self) -> Steps[bool]:
        """Read what is marked from here on; False where it turns out to be plain text."""
        source = self._source
        for words in self._openings:
            # A model thinks first; later on, the same words are only spoken of.
            if words == self._think_open and self._tray.said_text:
                continue
            if (yield from source.match(words)):
                return (yield from self._opened_by(words))
            if words in self._around and source.is_cut_off(words):
                source.up_to(source.at + len(source.ahead()))
                return True
        return False

    def _opened_by(self, words: tuple[str, ...]) -> Steps[bool]:
        if words == self._think_open:
            yield from self._thinking()
            return True
        if words == self._calls_open and self._calls:
            return (yield from self._calls.read())
        return True

    def _no_thinking(self) -> Steps[None]:
        """Go past what closes thinking where an answer begins by it: nothing was thought."""
        source = self._source
        first, *rest = self._think_close
        if (yield from source.word(first)) and (yield from source.match(tuple(rest))):
            yield from source.skip_space()
            source.commit()
        else:
            source.at = source.kept

    def _bare(self, calls: CallReader) -> Steps[None]:
        """Read a call that no literal opens, if the answer begins with one."""
        source = self._source
        yield from source.skip_space()
        if (yield from calls.read()):
            source.commit()
            return
        self._tray.text(source.held())
        source.commit()

    def _thinking(self) -> Steps[None]:
        source = self._source
        yield from source.skip_space()
        source.commit()
        first = self._think_close[0]
        while True:
            place = source.find(first)
            ahead = source.ahead()
            if place < 0:
                decided = len(ahead) if source.ended else _decided(ahead, [first])
                self._tray.thinking(source.up_to(source.at + decided))
                source.commit()
                if source.ended:
                    return
                yield
                continue
            thought = without_space(ahead[: place - source.at])
            self._tray.thinking(source.up_to(source.at + thought))
            source.commit()
            source.at = place
            if (yield from source.match(self._think_close)):
                source.commit()
                yield from source.skip_space()
                source.commit()
                return
            source.at = place + 1
            self._tray.thinking(source.held())
            source.commit()


def _length(words: tuple[str, ...]) -> int:
    return sum(map(len, words))


def _decided(text: str, anchors: Sequence[str]) -> int:
    """How much of the text cannot be markup any more, nor whitespace right before it."""
    open_end = max((overlap(text, anchor) for anchor in anchors), default=0)
    return without_space(text[: len(text) - open_end])
