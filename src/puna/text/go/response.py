"""Where a template writes the answer: a prompt ends there, so that the model goes on."""

from puna.text.go.nodes import (
    Action,
    Body,
    Chain,
    Choice,
    Field,
    Node,
    Operand,
    Pipe,
    Range,
    Variable,
)

_RESPONSE = "Response"


def until_response(body: Body) -> Body:
    """The body up to the action that writes `.Response`, in each branch that has one."""
    return _cut(body)[0]


def _cut(body: Body) -> tuple[Body, bool]:
    kept: list[Node] = []
    for node in body:
        node, found = _within(node)
        kept.append(node)
        if found:
            return tuple(kept), True
    return tuple(kept), False


def _within(node: Node) -> tuple[Node, bool]:
    match node:
        case Action(pipe):
            return node, _reads(pipe)
        case Choice(kind, branches, otherwise, at):
            cuts = [(pipe, _cut(body)) for pipe, body in branches]
            rest, found = _cut(otherwise)
            kept = tuple((pipe, body) for pipe, (body, _) in cuts)
            return Choice(kind, kept, rest, at), found or any(cut[1] for _, cut in cuts)
        case Range(pipe, body, otherwise, at):
            kept, found = _cut(body)
            rest, also = _cut(otherwise)
            return Range(pipe, kept, rest, at), found or also
        case _:
            return node, False


def _reads(node: Operand) -> bool:
    match node:
        case Field(names) | Variable(_, names):
            return _RESPONSE in names
        case Chain(inner, names):
            return _RESPONSE in names or _reads(inner)
        case Pipe(commands):
            return any(_reads(word) for command in commands for word in command.words)
        case _:
            return False
