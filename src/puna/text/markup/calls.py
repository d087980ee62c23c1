"""Reading tool calls, in each of the forms in which models write them."""

import json
from collections.abc import Sequence

from puna.jobs import Tool
from puna.text.markup import json_text
from puna.text.markup.elements import ElementReader
from puna.text.markup.format import (
    Assignments,
    Calls,
    Elements,
    JsonArguments,
    NamedCall,
    ObjectCall,
    Parameters,
)
from puna.text.markup.parameters import ParameterReader
from puna.text.markup.pieces import Tray
from puna.text.markup.schemas import schema_of
from puna.text.markup.source import Source, Steps, words_of
from puna.text.markup.values import Loose

_LONGEST_NAME = 256
_ARGUMENT_KEYS = ("arguments", "parameters")


class CallReader:
    """Reads one stretch of calls: what stands after `open`, to the end of `close`.

    A call whose name is not among the tools is read all the same, unless the calls are `bare`:
    where no literal opens a call, a known name is what tells it from a text.
    """

    def __init__(self, source: Source, tray: Tray, calls: Calls, tools: Sequence[Tool]) -> None:
        self._source = source
        self._tray = tray
        self._calls = calls
        self._tools = {tool.name: tool for tool in tools}
        self._between = words_of(calls.between)
        self._close = words_of(calls.close)
        self._started = False
        self._name_signs = frozenset("".join(self._tools)) | frozenset("_-.")
        self._name_close: tuple[str, ...] = ()
        follows = tuple(words for words in (self._close, self._between) if words)
        match calls.call:
            case NamedCall(name_close, Parameters() as written):
                self._parameters = ParameterReader(source, self._write, written, follows)
                self._name_close = words_of(name_close)
            case NamedCall(name_close, Elements() as written):
                self._elements = ElementReader(source, self._write, written, follows)
                self._name_close = words_of(name_close)
            case NamedCall(name_close, _):
                self._name_close = words_of(name_close)
            case ObjectCall():
                pass

    def read(self) -> Steps[bool]:
        """Read the calls; False where something else than a call came."""
        source = self._source
        while True:
            self._started = False
            if not (yield from self._call()):
                return False
            self._tray.end()
            source.commit()
            if not (yield from self._goes_on()):
                return True

    def _goes_on(self) -> Steps[bool]:
        """Go past what stands after a call; whether another call follows right there."""
        source = self._source
        longer = self._between[: len(self._close)] == self._close and self._between
        if longer and (yield from source.match(self._between)):
            return True
        if self._close and (yield from source.match(self._close)):
            source.commit()
            return False
        if source.is_cut_off(self._close) or source.is_cut_off(self._between):
            source.up_to(source.at + len(source.ahead()))
            source.commit()
            return False
        return bool(self._calls.between) and (yield from source.match(self._between))

    def _call(self) -> Steps[bool]:
        match self._calls.call:
            case ObjectCall() as form:
                return (yield from self._object(form))
            case NamedCall(arguments=arguments):
                name = yield from self._name()
                if not name or not (yield from self._source.match(self._name_close)):
                    return False
                match arguments:
                    case JsonArguments():
                        return (yield from self._json(name))
                    case Parameters():
                        return self._start(name) and (
                            yield from self._parameters.read(self._tools, name)
                        )
                    case Elements():
                        schema = schema_of(self._tools.get(name))
                        return self._start(name) and (yield from self._elements.read(schema))
                    case Assignments():
                        return (yield from self._assignments(name, arguments))

    def _start(self, name: str) -> bool:
        if not self._calls.open and name not in self._tools:
            return False
        self._tray.start(name)
        self._started = True
        self._source.commit()
        return True

    def _write(self, text: str) -> None:
        self._tray.arguments(text)
        self._source.commit()

    def _name(self) -> Steps[str]:
        source = self._source
        yield from source.skip_space()
        stop = self._name_close[0][0] if self._name_close else ""
        name = ""
        while (character := (yield from source.peek())) and len(name) < _LONGEST_NAME:
            if character == stop and (yield from self._stands(self._name_close[0])):
                break
            if not character.isalnum() and character not in self._name_signs:
                break
            name += character
            source.at += 1
        return name

    def _stands(self, word: str) -> Steps[bool]:
        start = self._source.at
        stands = yield from self._source.word(word)
        self._source.at = start
        return stands

    def _json(self, name: str) -> Steps[bool]:
        source = self._source
        yield from source.skip_space()
        if (yield from source.peek()) != "{":
            return False
        return self._start(name) and (yield from json_text.value(source, self._write))

    def _assignments(self, name: str, form: Assignments) -> Steps[bool]:
        source = self._source
        yield from source.skip_space()
        if not (yield from source.word(form.open)):
            return False
        if not self._start(name):
            return False
        loose = Loose(source, self._write, form.quote)
        return (yield from loose.members(form.close, (form.assign,)))

    def _object(self, form: ObjectCall) -> Steps[bool]:
        """One JSON object; its arguments stream once its name is known."""
        source = self._source
        name: str | None = None
        waiting: str | None = None
        yield from source.skip_space()
        if not (yield from source.word("{")):
            return False
        while True:
            yield from source.skip_space()
            key = yield from self._text()
            yield from source.skip_space()
            if key is None or not (yield from source.word(":")):
                return False
            yield from source.skip_space()
            if key == form.name_key and name is None:
                name = yield from self._text()
                if name is None:
                    return False
            elif key in (form.arguments_key, *_ARGUMENT_KEYS) and not self._started:
                streaming = name is not None and (yield from source.peek()) == "{"
                if streaming:
                    if not self._start(name or ""):
                        return False
                    if not (yield from json_text.value(source, self._write)):
                        return False
                else:
                    waiting = yield from self._waiting()
                    if waiting is None:
                        return False
            elif not (yield from json_text.value(source, lambda _text: None)):
                return False
            yield from source.skip_space()
            if (yield from source.word(",")):
                continue
            if not (yield from source.word("}")):
                return False
            break
        if self._started:
            return True
        if name is None or not self._start(name):
            return False
        self._write(waiting or "{}")
        return True

    def _text(self) -> Steps[str | None]:
        written: list[str] = []
        if not (yield from json_text.string(self._source, written.append)):
            return None
        return _sendable(json.loads("".join(written)))

    def _waiting(self) -> Steps[str | None]:
        """Arguments that came before the name, or as a string that holds their JSON."""
        written: list[str] = []
        if not (yield from json_text.value(self._source, written.append)):
            return None
        value = json.loads("".join(written))
        if isinstance(value, str):
            try:
                value = json.loads(value or "{}")
            except (ValueError, RecursionError):
                return None
        if value is None:
            value = {}
        if not isinstance(value, dict):
            return None
        return _sendable(json.dumps(value, ensure_ascii=False))


def _sendable(text: str) -> str:
    """Without lone surrogates, which JSON's escapes can make: they are not text."""
    return text.encode("utf-8", "replace").decode()
