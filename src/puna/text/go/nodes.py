"""What a template is made of, once it is read."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`: what the template is at."""

    at: int


@dataclass(frozen=True, slots=True)
class Nil:
    """`nil`."""

    at: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that stands in the template."""

    value: bool | int | float | complex | str
    at: int


@dataclass(frozen=True, slots=True)
class Field:
    """`.A.B`."""

    names: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x.A.B`."""

    name: str
    names: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Chain:
    """`(…).A.B`."""

    node: "Operand"
    names: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Command:
    """What is called, or the one value, and its arguments."""

    words: tuple["Operand", ...]
    at: int


@dataclass(frozen=True, slots=True)
class Pipe:
    """`$a, $b := x | y`: each command's value is the last argument of the next one."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...]
    assigns: bool
    at: int


Operand = Dot | Nil | Constant | Field | Variable | Function | Chain | Pipe


@dataclass(frozen=True, slots=True)
class Text:
    """Text that is written as it is."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Action:
    """A pipeline whose value is written, unless it sets variables."""

    pipe: Pipe
    at: int


@dataclass(frozen=True, slots=True)
class Choice:
    """`if` or `with`, and each `else if` or `else with`: the first branch that is true."""

    kind: Literal["if", "with"]
    branches: tuple[tuple[Pipe, "Body"], ...]
    otherwise: "Body"
    at: int


@dataclass(frozen=True, slots=True)
class Range:
    """`range`: the body once for each element."""

    pipe: Pipe
    body: "Body"
    otherwise: "Body"
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """`template`: another template in this place."""

    name: str
    pipe: Pipe | None
    at: int


@dataclass(frozen=True, slots=True)
class Jump:
    """`break` or `continue`."""

    kind: Literal["break", "continue"]
    at: int


Node = Text | Action | Choice | Range | Call | Jump
Body = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A template and those that it defines, with the names that any of them reads."""

    source: str
    body: Body
    defined: dict[str, Body] = field(default_factory=dict[str, Body])
    names: frozenset[str] = frozenset()
