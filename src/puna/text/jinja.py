"""Chat templates in Jinja, with the conventions of Hugging Face's tokenizers.

Only the process that renders imports this: jinja2 takes long to load, and runs what is hostile.
"""

import json
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any, cast

from jinja2 import Environment, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from puna.text.wrongs import Wrong


class GenerationTag(Extension):
    """`{% generation %}`: training marks the assistant's words with it; here it does nothing."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The tag's body, as if the tag were not there."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Sandbox(ImmutableSandboxedEnvironment):
    """The immutable sandbox, in which lists may grow: every value here is this process's own."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may reach this attribute."""
        if isinstance(obj, list) and attr in ("append", "extend", "pop", "insert"):
            return True
        return super().is_safe_attribute(obj, attr, value)


def raise_exception(message: str) -> None:
    """What a template calls to refuse a conversation."""
    raise Wrong(str(message)[:2000].rstrip("."), refuses=True)


def strftime_now(layout: str) -> str:
    """The time of now, as the template wants it written."""
    return datetime.now().strftime(layout)


def _plain(value: object) -> object:
    if isinstance(value, Generator):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as Hugging Face's tokenizers write it: nothing escaped for HTML, keys in their order."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=_plain,
    )


def environment() -> Environment:
    """The Jinja environment in which every chat template runs."""
    sandbox = Sandbox(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[GenerationTag, "jinja2.ext.loopcontrols"],
        cache_size=0,
    )
    # Jinja declares these two without the types of their values.
    filters = cast("dict[str, Callable[..., Any]]", sandbox.filters)  # pyright: ignore[reportUnknownMemberType]
    names = cast("dict[str, Any]", sandbox.globals)  # pyright: ignore[reportUnknownMemberType]
    filters["tojson"] = tojson
    names["raise_exception"] = raise_exception
    names["strftime_now"] = strftime_now
    return sandbox


class JinjaTemplate:
    """A Jinja template, ready to be rendered; `variables` are the names that it reads."""

    def __init__(self, source: str) -> None:
        sandbox = environment()
        try:
            self.variables = meta.find_undeclared_variables(sandbox.parse(source))
            self._template = sandbox.from_string(source)
        except TemplateError as error:
            raise Wrong(_reason(error)) from None

    def render(self, values: dict[str, Any], limit: int) -> str:
        """The rendered text, given up as soon as it is longer than the limit."""
        pieces: list[str] = []
        length = 0
        try:
            for piece in self._template.generate(values):
                length += len(piece)
                if length > limit:
                    raise Wrong(f"the text is longer than {limit} characters")
                pieces.append(piece)
        except TemplateError as error:
            raise Wrong(_reason(error)) from None
        return "".join(pieces)


def _reason(error: TemplateError) -> str:
    if isinstance(error, TemplateSyntaxError):
        return f"{error.message} (line {error.lineno})".rstrip(".")
    return str(error.message or error)[:2000].rstrip(".")
