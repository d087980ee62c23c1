"""Modelfiles: what a model is made of, as text, in Ollama's language."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from puna.errors import BadRequest
from puna.models.instructions import Instruction, instructions, quoted
from puna.models.model import Model
from puna.models.parameters import OBSOLETE, Value, collected, parameter

_VERSION = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){0,2}(?:[-+][0-9A-Za-z.+\-]{1,80})?)")


@dataclass(frozen=True, slots=True)
class Modelfile:
    """A Modelfile's content. What was read and has no effect any more stands in `warnings`."""

    sources: tuple[str, ...]
    parameters: Mapping[str, Value] = field(default_factory=dict[str, Value])
    template: str | None = None
    system: str | None = None
    adapters: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()
    requires: str = ""
    renderer: str = ""
    parser: str = ""
    warnings: tuple[str, ...] = field(default=(), compare=False)


def parse(text: str | bytes) -> Modelfile:
    """A Modelfile from hostile text; an error has the line and what was expected there."""
    found: dict[str, list[Instruction]] = {}
    for one in instructions(_decoded(text)):
        found.setdefault(one.name, []).append(one)
    if "FROM" not in found:
        raise BadRequest("The Modelfile has no FROM line.", "Begin it with FROM and a model.")
    parameters = found.get("PARAMETER", [])

    def texts(name: str) -> tuple[str, ...]:
        return tuple(one.text for one in found.get(name, ()))

    def last(name: str) -> str | None:
        return found[name][-1].text if name in found else None

    return Modelfile(
        sources=texts("FROM"),
        parameters=collected(
            (one.key, _parameter(one)) for one in parameters if one.key not in OBSOLETE
        ),
        template=last("TEMPLATE"),
        system=last("SYSTEM"),
        adapters=texts("ADAPTER"),
        licenses=texts("LICENSE"),
        messages=tuple((one.key, one.text) for one in found.get("MESSAGE", ())),
        requires=_version(found["REQUIRES"][-1]) if "REQUIRES" in found else "",
        renderer=last("RENDERER") or "",
        parser=last("PARSER") or "",
        warnings=tuple(
            f"Modelfile, line {one.line}: {one.key} has no effect any more."
            for one in parameters
            if one.key in OBSOLETE
        ),
    )


def write(modelfile: Modelfile) -> str:
    """A Modelfile's text, from which `parse` makes the same again."""
    lines = [("FROM", text) for text in modelfile.sources]
    lines += [("ADAPTER", text) for text in modelfile.adapters]
    lines += [
        (name.upper(), value)
        for name in ("template", "system", "renderer", "parser", "requires")
        if (value := getattr(modelfile, name)) or (value == "" and name in ("template", "system"))
    ]
    for name, value in modelfile.parameters.items():
        values = value if isinstance(value, list) else [_written(value)]
        lines += [(f"PARAMETER {name}", text) for text in values]
    lines += [("LICENSE", text) for text in modelfile.licenses]
    lines += [(f"MESSAGE {role}", text) for role, text in modelfile.messages]
    return "".join(f"{name} {quoted(text)}\n" for name, text in lines)


def modelfile_of(model: Model) -> Modelfile:
    """The Modelfile that makes this model again."""
    files = (*model.weights, *((model.projector,) if model.projector else ()))
    return Modelfile(
        sources=tuple(str(path) for path in files),
        parameters=model.parameters,
        template=model.written_template or None,
        system=model.system or None,
        adapters=tuple(str(path) for path in model.adapters),
        licenses=model.licenses,
        messages=tuple((one.role, one.text) for one in model.messages),
        requires=model.requires,
        renderer=model.renderer,
        parser=model.parser,
    )


def checked_version(text: str) -> str:
    """The version that REQUIRES names, without a v before it."""
    found = _VERSION.fullmatch(text)
    if found is None:
        raise BadRequest(f"{text[:100]!r} is not a version.", "REQUIRES takes one, such as 0.14.0.")
    return found[1]


def _parameter(instruction: Instruction) -> Value:
    try:
        return parameter(instruction.key).read(instruction.text)
    except BadRequest as error:
        raise _located(instruction, error) from None


def _version(instruction: Instruction) -> str:
    try:
        return checked_version(instruction.text)
    except BadRequest as error:
        raise _located(instruction, error) from None


def _located(instruction: Instruction, error: BadRequest) -> BadRequest:
    return BadRequest(f"Modelfile, line {instruction.line}: {error.message}", error.mend)


def _written(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    wide = text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return text.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"The Modelfile is not text: {error}.", "Save it as UTF-8.") from None
