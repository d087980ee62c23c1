"""From tokens to what a template is made of. Bounded in length and in depth."""

from collections.abc import Collection
from typing import Literal

from puna.text.go.faults import Fault
from puna.text.go.lexer import Token
from puna.text.go.nodes import (
    Action,
    Body,
    Call,
    Choice,
    Jump,
    Node,
    Parsed,
    Pipe,
    Range,
    Text,
)
from puna.text.go.pipelines import Pipelines
from puna.text.go.stream import Stream

MAX_CHARACTERS = 1 << 18


def parsed(source: str, functions: Collection[str]) -> Parsed:
    """The template, read; a `Fault` says where it is broken."""
    if len(source) > MAX_CHARACTERS:
        raise Fault(source[:1], 0, f"the template is longer than {MAX_CHARACTERS} characters")
    return _Parser(source, functions).template()


class _Parser:
    def __init__(self, source: str, functions: Collection[str]) -> None:
        self._source = source
        self._stream = Stream(source)
        self._pipelines = Pipelines(self._stream, functions)
        self._ranges = 0
        self._defined: dict[str, Body] = {}

    def template(self) -> Parsed:
        body: list[Node] = []
        while self._stream.peek().kind != "end":
            node, word = self._node(defines=True)
            if word is not None:
                raise self._stream.fault(
                    word, f"unexpected {word}; nothing is open that it could close"
                )
            if node is not None:
                body.append(node)
        return Parsed(self._source, tuple(body), self._defined, frozenset(self._pipelines.names))

    def _close(self, where: str) -> None:
        token = self._stream.next_word()
        if token.kind != "close":
            raise self._stream.fault(token, f'unexpected {token} in {where}; expected "}}}}"')

    # Text and actions

    def _node(self, *, defines: bool = False) -> tuple[Node | None, Token | None]:
        """A node, or the `else` or `end` that stands there instead; `else` is left open."""
        token = self._stream.next()
        if token.kind == "text":
            return Text(token.text, token.at), None
        word = self._stream.next_word()
        if word.kind != "keyword":
            self._stream.back(word)
            return Action(self._pipelines.pipe("an action", "close"), word.at), None
        match word.text:
            case "else":
                return None, word
            case "end":
                self._close("end")
                return None, word
            case "break" | "continue":
                self._close(word.text)
                if self._ranges == 0:
                    raise self._stream.fault(word, f"{word.text} stands outside of a range")
                return Jump(word.text, word.at), None
            case "define":
                if not defines:
                    raise self._stream.fault(
                        word, "define must stand at the top, not inside of another"
                    )
                self._define()
                return None, None
            case _:
                self._stream.deeper(word)
                node = self._control(word)
                self._stream.up()
                return node, None

    def _control(self, word: Token) -> Node:
        match word.text:
            case "if":
                return self._choice("if", word)
            case "with":
                return self._choice("with", word)
            case "range":
                return self._range(word)
            case "block":
                return self._block(word)
            case _:
                name = self._name("template")
                if self._stream.peek_word().kind == "close":
                    self._stream.next()
                    return Call(name, None, word.at)
                return Call(name, self._pipelines.pipe("template", "close"), word.at)

    def _body(self) -> tuple[Body, Token]:
        """Everything up to an `else` or an `end`, which comes with it."""
        body: list[Node] = []
        while (token := self._stream.peek()).kind != "end":
            node, word = self._node()
            if word is not None:
                return tuple(body), word
            if node is not None:
                body.append(node)
        raise self._stream.fault(token, 'the template ends too early; expected "{{end}}"')

    def _choice(self, kind: Literal["if", "with"], word: Token) -> Choice:
        known = len(self._pipelines.variables)
        branches: list[tuple[Pipe, Body]] = []
        otherwise: Body = ()
        while True:
            pipe = self._pipelines.pipe(kind, "close")
            body, stop = self._body()
            branches.append((pipe, body))
            if stop.text == "end":
                break
            after = self._stream.next_word()
            if after.kind == "keyword" and after.text == kind:
                continue
            self._stream.back(after)
            otherwise = self._otherwise(kind)
            break
        del self._pipelines.variables[known:]
        return Choice(kind, tuple(branches), otherwise, word.at)

    def _otherwise(self, where: str) -> Body:
        self._close("else")
        body, stop = self._body()
        if stop.text != "end":
            raise self._stream.fault(stop, f'a second else in {where}; expected "{{{{end}}}}"')
        return body

    def _range(self, word: Token) -> Range:
        known = len(self._pipelines.variables)
        pipe = self._pipelines.pipe("range", "close")
        self._ranges += 1
        body, stop = self._body()
        self._ranges -= 1
        otherwise = self._otherwise("range") if stop.text == "else" else ()
        del self._pipelines.variables[known:]
        return Range(pipe, body, otherwise, word.at)

    def _name(self, where: str) -> str:
        token = self._stream.next_word()
        if token.kind not in ("string", "raw"):
            raise self._stream.fault(
                token, f"unexpected {token} in {where}; expected a name in quotes"
            )
        return self._pipelines.string(token)

    def _define(self) -> None:
        name = self._name("define")
        self._close("define")
        self._definition(name)

    def _block(self, word: Token) -> Call:
        name = self._name("block")
        pipe = self._pipelines.pipe("block", "close")
        self._definition(name)
        return Call(name, pipe, word.at)

    def _definition(self, name: str) -> None:
        """A template of its own, up to its end: it sees none of the variables around it."""
        at = self._stream.peek()
        variables, self._pipelines.variables = self._pipelines.variables, ["$"]
        ranges, self._ranges = self._ranges, 0
        body, stop = self._body()
        self._pipelines.variables, self._ranges = variables, ranges
        if stop.text != "end":
            raise self._stream.fault(stop, f'unexpected else in "{name}"; expected "{{{{end}}}}"')
        if not _is_empty(body) and not _is_empty(self._defined.get(name, ())):
            raise self._stream.fault(at, f'"{name}" is defined twice')
        if name not in self._defined or not _is_empty(body):
            self._defined[name] = body


def _is_empty(body: Body) -> bool:
    """Whether there is nothing but white space."""
    return all(isinstance(node, Text) and not node.text.strip() for node in body)
