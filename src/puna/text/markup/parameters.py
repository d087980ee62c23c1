"""Reading arguments that are written one by one between literals, as in XML.

Strings stand there without quotes and stream as they come; what else a value may be, the tool's
schema says, or else the value's own look.
"""

from collections.abc import Mapping

from puna.jobs import Tool
from puna.text.markup.format import GAP, Parameters
from puna.text.markup.json_text import Write
from puna.text.markup.schemas import of_key, schema_of, types_in
from puna.text.markup.source import Source, Steps, overlap, words_of
from puna.text.markup.values import as_json, quoted

_LONGEST_KEY = 256


class ParameterReader:
    """Reads all arguments of a call; `follows` are the literals that may come after the last."""

    def __init__(
        self,
        source: Source,
        write: Write,
        form: Parameters,
        follows: tuple[tuple[str, ...], ...],
    ) -> None:
        self._source = source
        self._write = write
        self._hint = form.string_hint
        self._cdata = form.cdata
        self._key_open = words_of(form.key_open)
        self._key_close = words_of(form.key_close)
        self._value_close = words_of(form.value_close)
        self._follows = (self._key_open, *follows)
        self._lead = form.key_close[len(form.key_close.rstrip()) :]
        self._trail = form.value_close[: -len(form.value_close.lstrip())]

    def read(self, tools: Mapping[str, Tool], name: str) -> Steps[bool]:
        """Pass on the arguments as one JSON object."""
        source = self._source
        self._write("{")
        keys: set[str] = set()
        while (yield from source.match(self._key_open)):
            key = yield from self._key()
            if not key or key in keys or not (yield from source.match(self._key_close)):
                return False
            hint = source.gap if GAP in self._key_close else ""
            yield from source.word(self._lead)
            source.commit()
            self._write(f'{", " if keys else ""}"{quoted(key)}": ')
            keys.add(key)
            types = types_in(of_key(schema_of(tools.get(name)), key))
            is_string = hint == self._hint if hint else types == frozenset({"string"})
            close = self._value_close
            if self._cdata and (yield from source.word("<![CDATA[")):
                is_string, close = True, ("]]>", *close)
            if not (yield from self._value(close, None if is_string else types)):
                return False
        if not (yield from self._is_followed()):
            return False
        self._write("}")
        return True

    def _key(self) -> Steps[str]:
        source = self._source
        key = ""
        while (character := (yield from source.peek())) and len(key) < _LONGEST_KEY:
            if character == self._key_close[0][0]:
                start = source.at
                stands = yield from source.word(self._key_close[0])
                source.at = start
                if stands:
                    return key.strip()
            if character in "\n<>":
                break
            key += character
            source.at += 1
        return key.strip()

    def _value(self, close: tuple[str, ...], types: frozenset[str] | None) -> Steps[bool]:
        """Pass on one value: a string (no types) as it comes, others when they are whole."""
        source = self._source
        whole = ""
        if types is None:
            self._write('"')
        while True:
            place = source.find(close[0])
            if place < 0:
                text = source.up_to(source.at + len(source.ahead()) - self._undecided(close[0]))
            else:
                text = source.up_to(place)
            closed = place >= 0 and (yield from self._closes(close))
            if closed:
                text = text.removesuffix(self._trail) if self._trail else text
            elif place >= 0:
                text += source.up_to(place + 1)
            elif source.ended:
                text += source.up_to(source.at + len(source.ahead()))
            if types is None and text:
                self._write(quoted(text))
            whole += text
            if closed:
                break
            if place < 0:
                if source.ended:
                    return False
                yield
        self._write('"' if types is None else as_json(whole, types))
        return True

    def _undecided(self, close: str) -> int:
        ahead = self._source.ahead()
        return max(overlap(ahead, self._trail + close), overlap(ahead, close))

    def _closes(self, close: tuple[str, ...]) -> Steps[bool]:
        """Go past what closes a value, if what follows shows that the value does not go on."""
        source = self._source
        start = source.at
        if not (yield from source.match(close)):
            if not source.is_cut_off(close):
                return False
            source.up_to(source.at + len(source.ahead()))
            return True
        if (yield from self._is_followed()):
            return True
        source.at = start
        return False

    def _is_followed(self) -> Steps[bool]:
        source = self._source
        if (yield from source.is_before(self._follows)):
            return True
        return any(source.is_cut_off(words) for words in self._follows)
