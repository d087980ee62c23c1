"""Reading what stands inside an action: pipelines, commands and their words."""

from collections.abc import Collection

from puna.text.go import constants
from puna.text.go.lexer import Kind, Token
from puna.text.go.nodes import (
    Chain,
    Command,
    Constant,
    Dot,
    Field,
    Function,
    Nil,
    Operand,
    Pipe,
    Variable,
)
from puna.text.go.stream import Stream

MAX_VARIABLES = 500
_OPERANDS: frozenset[Kind] = frozenset(
    ("bool", "char", "dot", "field", "left", "name", "nil", "number", "raw", "string", "variable")
)


class Pipelines:
    """Reads pipelines; `variables` are those that are known, `names` all fields that were read."""

    def __init__(self, stream: Stream, functions: Collection[str]) -> None:
        self.variables = ["$"]
        self.names: set[str] = set()
        self._stream = stream
        self._functions = functions

    def pipe(self, where: str, end: Kind) -> Pipe:
        """A pipeline, up to what ends it."""
        at = self._stream.peek_word().at
        variables, assigns = self._declared(where)
        commands: list[Command] = []
        while True:
            token = self._stream.next_word()
            if token.kind == end:
                break
            if token.kind not in _OPERANDS:
                raise self._stream.fault(token, f"unexpected {token} in {where}; expected a value")
            self._stream.back(token)
            command = self._command(where)
            if commands and isinstance(command.words[0], Constant | Dot | Nil):
                raise self._stream.fault(token, f"after a | in {where} a function must stand")
            commands.append(command)
        if not commands:
            raise self._stream.fault(token, f"{where} lacks a value")
        return Pipe(tuple(commands), variables, assigns, at)

    def _declared(self, where: str) -> tuple[tuple[str, ...], bool]:
        """The variables that a pipeline sets, and whether they are there already."""
        variables: list[str] = []
        while self._stream.peek_word().kind == "variable":
            token = self._stream.next_word()
            after = [self._stream.next()]
            if after[0].kind == "space":
                after.append(self._stream.next())
            match after[-1].kind:
                case "declare" | "assign":
                    self._declare(token, variables)
                    return tuple(variables), after[-1].kind == "assign"
                case "comma" if where == "range" and not variables:
                    self._declare(token, variables)
                    if self._stream.peek_word().kind not in ("variable", "close"):
                        raise self._stream.fault(
                            self._stream.peek_word(), "range can only set variables"
                        )
                case "comma":
                    raise self._stream.fault(after[-1], f"too many variables are set in {where}")
                case _:
                    self._stream.back(token, *after)
                    break
        return tuple(variables), False

    def _declare(self, token: Token, variables: list[str]) -> None:
        if token.text not in self.variables:
            if len(self.variables) > MAX_VARIABLES:
                raise self._stream.fault(token, f"there are more than {MAX_VARIABLES} variables")
            self.variables.append(token.text)
        variables.append(token.text)

    def _command(self, where: str) -> Command:
        words: list[Operand] = []
        at = self._stream.peek_word().at
        while True:
            self._stream.peek_word()
            word = self._operand()
            if word is not None:
                words.append(word)
            token = self._stream.next()
            match token.kind:
                case "space":
                    continue
                case "close" | "right":
                    self._stream.back(token)
                case "pipe":
                    pass
                case _:
                    raise self._stream.fault(
                        token, f"unexpected {token} in {where}; expected a space"
                    )
            break
        if not words:
            raise self._stream.fault(token, f"{where} lacks a value before this")
        return Command(tuple(words), at)

    def _operand(self) -> Operand | None:
        node = self._term()
        if node is None:
            return None
        names: list[str] = []
        while (token := self._stream.peek()).kind == "field":
            self._stream.next()
            self.names.add(token.text[1:].lower())
            names.append(token.text[1:])
        if not names:
            return node
        match node:
            case Field():
                return Field((*node.names, *names), node.at)
            case Variable():
                return Variable(node.name, (*node.names, *names), node.at)
            case Dot() | Nil() | Constant():
                raise self._stream.fault_at(node.at, "no field can follow a constant")
            case _:
                return Chain(node, tuple(names), node.at)

    def _term(self) -> Operand | None:
        token = self._stream.next()
        match token.kind:
            case "name":
                if token.text not in self._functions:
                    raise self._stream.fault(token, f'function "{token.text}" is not defined')
                return Function(token.text, token.at)
            case "dot":
                return Dot(token.at)
            case "nil":
                return Nil(token.at)
            case "variable":
                if token.text not in self.variables:
                    raise self._stream.fault(token, f'variable "{token.text}" is not defined')
                return Variable(token.text, (), token.at)
            case "field":
                self.names.add(token.text[1:].lower())
                return Field((token.text[1:],), token.at)
            case "bool":
                return Constant(token.text == "true", token.at)
            case "number" | "char":
                return Constant(self._number(token), token.at)
            case "string" | "raw":
                return Constant(self.string(token), token.at)
            case "left":
                self._stream.deeper(token)
                pipe = self.pipe("parentheses", "right")
                self._stream.up()
                return pipe
            case _:
                self._stream.back(token)
                return None

    def _number(self, token: Token) -> int | float | complex:
        try:
            if token.kind == "char":
                return constants.character(token.text)
            return constants.number(token.text)
        except (ValueError, OverflowError) as error:
            raise self._stream.fault(token, str(error)) from None

    def string(self, token: Token) -> str:
        """What a quoted string says."""
        try:
            return (
                constants.raw(token.text) if token.kind == "raw" else constants.quoted(token.text)
            )
        except ValueError as error:
            raise self._stream.fault(token, str(error)) from None
