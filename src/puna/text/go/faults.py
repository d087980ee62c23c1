"""What is wrong with a Go template, and where."""

from puna.text.wrongs import Wrong


class Misuse(Exception):
    """A function cannot take what it was given, or makes too much of it."""


class Fault(Wrong):
    """A mistake in a template, or one that it makes while it runs."""

    def __init__(self, source: str, at: int, message: str) -> None:
        line = source.count("\n", 0, at) + 1
        column = at - source.rfind("\n", 0, at)
        super().__init__(f"line {line}, column {column}: {message}")
