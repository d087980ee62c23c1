"""Values of the command line that need no library to be understood.

Typer has pydantic look at every value, also at texts and at what was not given. To import that
takes as long as all else a command does, so what is plain is let through, and the rest is left to
typer.
"""

from typing import Any

from typer.core import TyperArgument, TyperOption


class Plain:
    """In place of typer's check of a parameter's value."""

    def __init__(self, parameter: Any, whole: Any) -> None:
        self._parameter = parameter
        self._whole = whole

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value, which typer looks at only if it has to."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        kind = param.type_descriptor.annotation
        if kind is str or (isinstance(kind, type) and isinstance(value, kind)):
            return value
        if kind == list[str]:
            return list(value)
        return self._whole(self._parameter).coerce(value, param=param, ctx=ctx)


def take_plain_values_lightly() -> None:
    """Have typer import pydantic only for values that need it."""
    for kind in (TyperArgument, TyperOption):
        whole = kind.get_runtime_param
        if whole.__module__ != __name__:
            kind.get_runtime_param = _plain(whole)


def _plain(whole: Any) -> Any:
    def plain(parameter: Any) -> Any:
        return Plain(parameter, whole)

    return plain
