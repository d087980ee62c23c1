"""The functions that a template may call: Go's own, and Ollama's."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from puna.text.go import escapes, printing
from puna.text.go.comparing import equal, less
from puna.text.go.faults import Misuse
from puna.text.go.formats import formatted
from puna.text.go.strings import Strings
from puna.text.go.values import JsonMap, Struct, is_list, is_map, is_true, type_name

Arguments = Sequence[Any]


class _Function(NamedTuple):
    """A function, and how many arguments it takes; None is: as many as there are."""

    call: Callable[["Functions", Arguments], Any]
    least: int
    most: int | None


class Functions:
    """Go's functions over one conversation's strings; no text that they make is longer than this.

    `and` and `or` are not here: they do not look at all of their arguments.
    """

    def __init__(self, strings: Strings, longest: int) -> None:
        self.strings = strings
        self._longest = longest

    def call(self, name: str, arguments: Arguments) -> Any:
        """What the function gives back."""
        function = FUNCTIONS[name]
        count = len(arguments)
        if count < function.least or (function.most is not None and count > function.most):
            wanted = (
                f"{function.least}"
                if function.least == function.most
                else (
                    f"at least {function.least}"
                    if count < function.least
                    else f"at most {function.most}"
                )
            )
            raise Misuse(f"{name} takes {wanted} arguments, it got {count}")
        value = function.call(self, arguments)
        if isinstance(value, str) and len(value) > self._longest:
            raise Misuse(f"{name} makes a text longer than {self._longest} characters")
        return value

    # Looking into values

    def length(self, arguments: Arguments) -> int:
        """`len`: how many bytes or elements."""
        (value,) = arguments
        if isinstance(value, str):
            return len(self.strings.bytes(value))
        if isinstance(value, bytes) or is_list(value) or is_map(value):
            return len(value)
        raise Misuse(f"len of type {type_name(value)}; expected a string, a list or a map")

    def index(self, arguments: Arguments) -> Any:
        """`index`: an element, by its number or its key, and so on inside of it."""
        value, *indexes = arguments
        if value is None:
            raise Misuse("index of nil; expected a list, a map or a string")
        for index in indexes:
            value = self._element(value, index)
        return value

    def _element(self, value: Any, index: Any) -> Any:
        if is_map(value):
            if not isinstance(index, str):
                raise Misuse(f"a map has no key of type {type_name(index)}; expected a string")
            missing = value.missing if isinstance(value, JsonMap) else None
            return value.get(index, missing)
        items = self.strings.bytes(value) if isinstance(value, str) else value
        if not isinstance(items, bytes) and not is_list(items):
            raise Misuse(f"can't index a value of type {type_name(value)}")
        return items[self._place(index, len(items) - 1)]

    def _place(self, index: Any, most: int) -> int:
        if type(index) is not int:
            raise Misuse(f"can't index with type {type_name(index)}; expected an integer")
        if not 0 <= index <= most:
            raise Misuse(f"index out of range: {index}")
        return index

    def slice(self, arguments: Arguments) -> Any:
        """`slice`: a part of a string or a list."""
        value, *indexes = arguments
        if isinstance(value, str):
            if len(indexes) == 3:
                raise Misuse("a string takes at most 2 indexes in slice")
            size = len(self.strings.bytes(value))
        elif isinstance(value, bytes) or is_list(value):
            size = len(value)
        else:
            raise Misuse(f"can't slice a value of type {type_name(value)}")
        places = [self._place(index, size) for index in indexes]
        start, end = [*places, *(0, size)[len(places) :]][:2]
        if start > end or (len(places) == 3 and end > places[2]):
            raise Misuse(f"invalid slice: {start} to {end}")
        return self.strings.part(value, start, end) if isinstance(value, str) else value[start:end]

    # Comparing

    def eq(self, arguments: Arguments) -> bool:
        """`eq`: whether the first is any of the others."""
        first, *others = arguments
        return any(equal(first, other, self.strings) for other in others)

    def ne(self, arguments: Arguments) -> bool:
        """`ne`: whether they differ."""
        return not self.eq(arguments)

    def lt(self, arguments: Arguments) -> bool:
        """`lt`: whether the first is less."""
        return less(arguments[0], arguments[1], self.strings)

    def le(self, arguments: Arguments) -> bool:
        """`le`: whether the first is less, or they are the same."""
        return self.lt(arguments) or self.eq(arguments)

    def gt(self, arguments: Arguments) -> bool:
        """`gt`: whether the first is greater."""
        return not self.le(arguments)

    def ge(self, arguments: Arguments) -> bool:
        """`ge`: whether the first is greater, or they are the same."""
        return not self.lt(arguments)

    def negation(self, arguments: Arguments) -> bool:
        """`not`."""
        return not is_true(arguments[0])

    # Writing

    def print(self, arguments: Arguments) -> str:
        """`print`: the values one after the other."""
        return printing.joined(arguments, self.strings)

    def println(self, arguments: Arguments) -> str:
        """`println`: the values on a line."""
        return printing.line(arguments, self.strings)

    def printf(self, arguments: Arguments) -> str:
        """`printf`: the values by a format."""
        text, *values = arguments
        if not isinstance(text, str):
            raise Misuse(f"printf takes a string first, it got {type_name(text)}")
        return formatted(text, values, self.strings, self._longest)

    def html(self, arguments: Arguments) -> str:
        """`html`: text made safe for HTML."""
        return escapes.html(self._printed(arguments), self.strings)

    def js(self, arguments: Arguments) -> str:
        """`js`: text made safe for JavaScript."""
        return escapes.script(self._printed(arguments), self.strings)

    def urlquery(self, arguments: Arguments) -> str:
        """`urlquery`: text made safe for an address."""
        return escapes.query(self._printed(arguments), self.strings)

    def _printed(self, arguments: Arguments) -> str:
        """The values as an action writes them."""
        return self.print(["<no value>" if each is None else each for each in arguments])

    def json(self, arguments: Arguments) -> str:
        """`json`: a value as JSON; nothing where JSON cannot say it."""
        try:
            return escapes.json(arguments[0], self.strings)
        except escapes.NotJson:
            return ""

    # Ollama's others

    def today(self, arguments: Arguments) -> str:
        """`currentDate`, as YYYY-MM-DD."""
        return datetime.now().strftime("%Y-%m-%d")

    def yesterday(self, arguments: Arguments) -> str:
        """`yesterdayDate`, as YYYY-MM-DD."""
        return (datetime.now() - timedelta(days=1)).strftime("%Y-%m-%d")

    def typescript(self, arguments: Arguments) -> str:
        """`toTypeScriptType`: the type of a tool's parameter."""
        (value,) = arguments
        return value.methods.get(TYPESCRIPT, "any") if isinstance(value, Struct) else "any"

    def called(self, arguments: Arguments) -> Any:
        """`call`: no value here is a function."""
        raise Misuse(f"call takes a function first, it got {type_name(arguments[0])}")


TYPESCRIPT = "ToTypeScriptType"
FUNCTIONS: dict[str, _Function] = {
    "call": _Function(Functions.called, 1, None),
    "currentDate": _Function(Functions.today, 0, None),
    "eq": _Function(Functions.eq, 2, None),
    "ge": _Function(Functions.ge, 2, 2),
    "gt": _Function(Functions.gt, 2, 2),
    "html": _Function(Functions.html, 0, None),
    "index": _Function(Functions.index, 1, None),
    "js": _Function(Functions.js, 0, None),
    "json": _Function(Functions.json, 1, 1),
    "le": _Function(Functions.le, 2, 2),
    "len": _Function(Functions.length, 1, 1),
    "lt": _Function(Functions.lt, 2, 2),
    "ne": _Function(Functions.ne, 2, 2),
    "not": _Function(Functions.negation, 1, 1),
    "print": _Function(Functions.print, 0, None),
    "printf": _Function(Functions.printf, 1, None),
    "println": _Function(Functions.println, 0, None),
    "slice": _Function(Functions.slice, 1, 4),
    "toTypeScriptType": _Function(Functions.typescript, 1, 1),
    "urlquery": _Function(Functions.urlquery, 0, None),
    "yesterdayDate": _Function(Functions.yesterday, 0, None),
}
NAMES = frozenset(FUNCTIONS) | {"and", "or"}
