"""Runs a template that was read, on values. Bounded in steps, in depth and in what it writes."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

from puna.text.go.comparing import Incomparable
from puna.text.go.faults import Fault, Misuse
from puna.text.go.functions import Functions
from puna.text.go.nodes import (
    Action,
    Body,
    Call,
    Chain,
    Choice,
    Command,
    Constant,
    Dot,
    Field,
    Function,
    Jump,
    Nil,
    Node,
    Operand,
    Parsed,
    Pipe,
    Range,
    Text,
    Variable,
)
from puna.text.go.printing import shown
from puna.text.go.values import JsonMap, Struct, is_list, is_map, is_true, type_name

MAX_STEPS = 1_000_000
MAX_DEPTH = 100
_MISSING: Any = object()


class _Jumped(Exception):
    """A `break` or a `continue`, on its way to its range."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Evaluator:
    """Runs one template; what it writes goes to `write`."""

    def __init__(self, parsed: Parsed, functions: Functions, write: Callable[[str], None]) -> None:
        self._source = parsed.source
        self._defined = parsed.defined
        self._functions = functions
        self._strings = functions.strings
        self._write = write
        self._variables: list[tuple[str, Any]] = []
        self._steps = 0
        self._depth = 0

    def run(self, body: Body, dot: Any) -> None:
        """Run a template on this value."""
        self._variables = [("$", dot)]
        self._walk(body, dot)

    def _fault(self, at: int, message: str) -> Fault:
        return Fault(self._source, at, message)

    def _step(self, at: int) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise self._fault(at, f"the template takes more than {MAX_STEPS} steps")

    @contextmanager
    def _deeper(self, at: int) -> Generator[None]:
        """One level deeper."""
        if self._depth >= MAX_DEPTH:
            raise self._fault(at, f"the template runs deeper than {MAX_DEPTH} levels")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    @contextmanager
    def _scope(self, at: int) -> Generator[None]:
        """One level deeper; the variables that are set there end with it."""
        known = len(self._variables)
        with self._deeper(at):
            try:
                yield
            finally:
                del self._variables[known:]

    # Nodes

    def _walk(self, body: Body, dot: Any) -> None:
        for node in body:
            self._step(node.at)
            self._node(node, dot)

    def _node(self, node: Node, dot: Any) -> None:
        match node:
            case Text(text):
                self._write(text)
            case Action(pipe):
                value = self._pipe(pipe, dot)
                if not pipe.variables:
                    self._write("<no value>" if value is None else shown(value, self._strings))
            case Choice():
                self._choice(node, dot)
            case Range():
                with self._scope(node.at):
                    self._range(node, dot)
            case Call():
                self._call(node, dot)
            case Jump(kind):
                raise _Jumped(kind)

    def _choice(self, node: Choice, dot: Any) -> None:
        with self._scope(node.at):
            for pipe, body in node.branches:
                value = self._pipe(pipe, dot)
                if is_true(value):
                    return self._walk(body, value if node.kind == "with" else dot)
            return self._walk(node.otherwise, dot)

    def _range(self, node: Range, dot: Any) -> None:
        value = self._pipe(node.pipe, dot)
        known = len(self._variables)
        ran = False
        for key, element in self._elements(value, node):
            ran = True
            self._step(node.at)
            self._set_range(node.pipe, key, element, known)
            try:
                self._walk(node.body, element)
            except _Jumped as jump:
                if jump.kind == "break":
                    return
            finally:
                del self._variables[known:]
        if not ran:
            self._walk(node.otherwise, dot)

    def _elements(self, value: Any, node: Range) -> Iterable[tuple[Any, Any]]:
        if value is None:
            return ()
        if type(value) is int:
            if len(node.pipe.variables) > 1:
                raise self._fault(node.at, "a range over a number sets one variable, not two")
            return ((None, number) for number in range(value))
        if is_list(value) or isinstance(value, bytes):
            return enumerate(value)
        if is_map(value):
            return ((key, value[key]) for key in sorted(value, key=self._strings.bytes))
        raise self._fault(
            node.pipe.at,
            f"range can't iterate over type {type_name(value)}; expected a list, a map or a number",
        )

    def _set_range(self, pipe: Pipe, key: Any, element: Any, known: int) -> None:
        values = (key, element) if len(pipe.variables) > 1 else (element,)
        if pipe.assigns:
            for name, value in zip(pipe.variables, values, strict=False):
                self._assign(name, value, pipe.at)
            return
        for place, value in enumerate(values[: len(pipe.variables)]):
            at = known - len(pipe.variables) + place
            self._variables[at] = (self._variables[at][0], value)

    def _call(self, node: Call, dot: Any) -> None:
        body = self._defined.get(node.name)
        if body is None:
            raise self._fault(node.at, f'template "{node.name}" is not defined')
        value = self._pipe(node.pipe, dot) if node.pipe else None
        with self._deeper(node.at):
            around, self._variables = self._variables, [("$", value)]
            try:
                self._walk(body, value)
            finally:
                self._variables = around

    # Pipelines

    def _pipe(self, pipe: Pipe, dot: Any) -> Any:
        value: Any = _MISSING
        for command in pipe.commands:
            self._step(command.at)
            value = self._command(command, dot, value)
        for name in pipe.variables:
            if pipe.assigns:
                self._assign(name, value, pipe.at)
            else:
                self._variables.append((name, value))
        return value

    def _assign(self, name: str, value: Any, at: int) -> None:
        for place in range(len(self._variables) - 1, -1, -1):
            if self._variables[place][0] == name:
                self._variables[place] = (name, value)
                return
        raise self._fault(at, f'variable "{name}" is not defined here; expected ":="')

    def _command(self, command: Command, dot: Any, last: Any) -> Any:
        first, *rest = command.words
        if isinstance(first, Function):
            return self._function(first, rest, dot, last)
        if isinstance(first, Nil):
            raise self._fault(first.at, "nil is not a command")
        if rest or last is not _MISSING:
            raise self._fault(first.at, "what is no function takes no arguments")
        return self._operand(first, dot)

    def _function(self, function: Function, words: list[Operand], dot: Any, last: Any) -> Any:
        if function.name in ("and", "or"):
            return self._until(function, words, dot, last)
        arguments = [self._operand(word, dot) for word in words]
        if last is not _MISSING:
            arguments.append(last)
        try:
            return self._functions.call(function.name, arguments)
        except (Misuse, Incomparable) as error:
            raise self._fault(function.at, str(error)) from None

    def _until(self, function: Function, words: list[Operand], dot: Any, last: Any) -> Any:
        """`and`: the first argument that is false, `or`: that is true; else the last one."""
        if not words and last is _MISSING:
            raise self._fault(function.at, f"{function.name} takes at least 1 argument, it got 0")
        value: Any = None
        for word in words:
            value = self._operand(word, dot)
            if is_true(value) == (function.name == "or"):
                return value
        return value if last is _MISSING else last

    def _operand(self, node: Operand, dot: Any) -> Any:
        match node:
            case Dot():
                return dot
            case Nil():
                return None
            case Constant(value):
                if type(value) is int and value >= 2**63:
                    raise self._fault(node.at, f"{value} overflows an integer")
                return value
            case Field(names):
                return self._fields(dot, names, node.at)
            case Variable(name, names):
                return self._fields(self._variable(name, node.at), names, node.at)
            case Chain(inner, names):
                return self._fields(self._operand(inner, dot), names, node.at)
            case Function():
                return self._function(node, [], dot, _MISSING)
            case Pipe():
                with self._deeper(node.at):
                    return self._pipe(node, dot)

    def _variable(self, name: str, at: int) -> Any:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise self._fault(at, f'variable "{name}" is not defined here')

    def _fields(self, value: Any, names: tuple[str, ...], at: int) -> Any:
        if value is None:
            return None
        for name in names:
            if value is None:
                raise self._fault(
                    at, f"can't evaluate field {name}: there is no value to read it of"
                )
            value = self._field(value, name, at)
        return value

    def _field(self, value: Any, name: str, at: int) -> Any:
        match value:
            case Struct():
                if name in value.fields:
                    return value.fields[name]
                if name in value.methods:
                    return value.methods[name]
            case JsonMap():
                return value.get(name, value.missing)
            case _ if is_map(value):
                return value.get(name)
            case _:
                pass
        raise self._fault(at, f"can't evaluate field {name} in type {type_name(value)}")
