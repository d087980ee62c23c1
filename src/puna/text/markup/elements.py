"""Reading arguments that are written as elements within elements, each named by its key.

A string that the schema knows as one streams as it comes; what else stands in an element that has
no others in it comes whole, in the type that the schema wants, or else the type that it looks like.
"""

from puna.text.markup.format import Elements
from puna.text.markup.json_text import Write
from puna.text.markup.schemas import of_items, of_key, types_in
from puna.text.markup.source import Source, Steps, overlap, words_of
from puna.text.markup.values import as_json, quoted

_LONGEST_NAME = 256
_DEEPEST = 60
_STRING = frozenset({"string"})
_EMPTY = {frozenset({"object"}): "{}", frozenset({"array"}): "[]"}


class ElementReader:
    """Reads all arguments of a call; `follows` are the literals that may come after the last."""

    def __init__(
        self, source: Source, write: Write, form: Elements, follows: tuple[tuple[str, ...], ...]
    ) -> None:
        self._source = source
        self._write = write
        self._item = form.item
        self._follows = follows
        self._open = words_of(form.open)
        self._assign = form.assign.strip()
        self._leave = form.leave
        self._close = form.close

    def read(self, schema: object) -> Steps[bool]:
        """Pass on the arguments as one JSON object."""
        return (yield from self._inner(schema, "", 0, listed=False))

    def _inner(self, schema: object, name: str, depth: int, *, listed: bool) -> Steps[bool]:
        """Pass on elements as a list or as an object, up to what closes the one they are in."""
        self._write("[" if listed else "{")
        names: set[str] = set()
        first = True
        while (key := (yield from self._opened())) is not None:
            if not key or depth >= _DEEPEST or (key != self._item if listed else key in names):
                return False
            names.add(key)
            self._write(("" if first else ", ") + ("" if listed else f'"{quoted(key)}": '))
            first = False
            inner = of_items(schema) if listed else of_key(schema, key)
            if not (yield from self._value(inner, key, depth + 1)):
                return False
        if not (yield from self._closed(name) if name else self._is_followed()):
            return False
        self._write("]" if listed else "}")
        return True

    def _opened(self) -> Steps[str | None]:
        """Go past what opens an element; its name, empty where it has none, None for no element."""
        source = self._source
        start = source.at
        if not (yield from source.match(self._open)):
            return None
        name = ""
        while (character := (yield from source.peek())) and len(name) < _LONGEST_NAME:
            if character == self._assign[0]:
                yield from source.word(self._assign)
                return name
            if character in "/<>":
                break
            name += character
            source.at += 1
        source.at = start
        return None

    def _closed(self, name: str) -> Steps[bool]:
        source = self._source
        yield from source.skip_space()
        return (yield from source.word(self._closing(name)))

    def _is_followed(self) -> Steps[bool]:
        source = self._source
        if (yield from source.is_before(self._follows)):
            return True
        return any(source.is_cut_off(words) for words in (self._open, *self._follows))

    def _closing(self, name: str) -> str:
        return self._leave + name + self._close

    def _value(self, schema: object, name: str, depth: int) -> Steps[bool]:
        types = types_in(schema)
        if types == _STRING:
            return (yield from self._leaf(name, types))
        start = self._source.at
        inner = yield from self._opened()
        self._source.at = start
        if inner is None:
            return (yield from self._leaf(name, types))
        listed = inner == self._item and "object" not in types
        return (yield from self._inner(schema, name, depth, listed=listed))

    def _leaf(self, name: str, types: frozenset[str]) -> Steps[bool]:
        """Pass on what stands up to the closing of this very element."""
        source = self._source
        close = self._closing(name)
        streams = types == _STRING
        whole = ""
        if streams:
            self._write('"')
        while True:
            place = source.find(close)
            ahead = source.ahead()
            decided = source.at + len(ahead) - overlap(ahead, close) if place < 0 else place
            text = source.up_to(source.at + len(ahead) if source.ended and place < 0 else decided)
            whole += text
            if streams and text:
                self._write(quoted(text))
            if place >= 0:
                break
            if source.ended:
                return False
            yield
        source.up_to(place + len(close))
        if streams:
            self._write('"')
        elif not whole and types in _EMPTY:
            self._write(_EMPTY[types])
        else:
            self._write(as_json(whole, types))
        return True
