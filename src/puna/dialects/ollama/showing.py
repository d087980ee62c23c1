"""Everything that is known of one model, as `/api/show` writes it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, cast

import msgspec
from pydantic import AliasChoices, BaseModel, Field

from puna.dialects.ollama.listing import ModelDetails, details_of
from puna.dialects.ollama.messages import Object, Text
from puna.jobs import Message
from puna.models.facts import FileFacts
from puna.models.gguf import Array, Header, Scalar, read
from puna.models.library import Library
from puna.models.model import Model
from puna.models.modelfile import modelfile_of, write

# Longer lists are left out, unless all is asked for.
MOST_ITEMS = 5
_LEFT_OUT = frozenset({"general.name", "tokenizer.chat_template"})
Told = dict[str, Scalar | list[Any]]


class ShowRequest(BaseModel):
    """The body of `POST /api/show`."""

    model: Annotated[str, Field(min_length=1, validation_alias=AliasChoices("model", "name"))]
    verbose: bool | None = None
    system: Text = ""
    options: Object = {}


class StoredMessage(msgspec.Struct, frozen=True):
    """One of the messages that a model begins with."""

    role: str
    content: str


class Tensor(msgspec.Struct, frozen=True):
    """One of a file's tensors."""

    name: str
    type: str
    shape: Sequence[int]


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `/api/show`."""

    modelfile: str
    template: str
    details: ModelDetails
    model_info: Told
    capabilities: Sequence[str]
    modified_at: datetime
    license: str = ""
    parameters: str = ""
    system: str = ""
    renderer: str = ""
    parser: str = ""
    messages: Sequence[StoredMessage] = ()
    projector_info: Told = {}
    tensors: Sequence[Tensor] = ()
    requires: str = ""


def shown(library: Library, asked: ShowRequest) -> Shown:
    """All of it; blocks while the vocabulary is read, where that is asked for."""
    model = library.find(asked.model)
    facts = library.facts(model)
    most = None if asked.verbose else MOST_ITEMS
    wished = replace(
        model,
        system=asked.system or model.system,
        parameters={**model.parameters, **asked.options},
    )
    return Shown(
        modelfile=_modelfile(wished),
        template=model.written_template or facts.template,
        details=details_of(model),
        model_info=_told(facts.header, most) | _counted(facts),
        capabilities=facts.capabilities,
        modified_at=model.modified,
        license="\n".join(model.licenses),
        parameters=_parameters(model.parameters),
        system=wished.system,
        renderer=model.renderer,
        parser=model.parser,
        messages=[_message(one) for one in model.messages],
        projector_info=_told(read(model.projector), most) if model.projector else {},
        tensors=[Tensor(one.name, one.type.name, one.shape) for one in facts.header.tensors],
        requires=model.requires,
    )


def _modelfile(model: Model) -> str:
    return (
        "# To build a new Modelfile based on this one, replace the FROM lines with:\n"
        f"# FROM {model.name}\n\n{write(modelfile_of(model))}"
    )


def _parameters(parameters: Mapping[str, Any]) -> str:
    """One line for each value, in columns."""
    lines: list[str] = []
    for name, value in sorted(parameters.items()):
        values = cast(list[Any], value) if isinstance(value, list) else [value]
        lines += [f"{name:<30} {json.dumps(one, ensure_ascii=False)}" for one in values]
    return "\n".join(lines)


def _message(message: Message) -> StoredMessage:
    return StoredMessage(message.role, message.text)


def _counted(facts: FileFacts) -> Told:
    return {"general.parameter_count": facts.parameters}


def _told(header: Header, most: int | None) -> Told:
    return {
        key: _items(value, most) if isinstance(value, Array) else value
        for key, value in sorted(header.metadata.items())
        if key not in _LEFT_OUT
    }


def _items(array: Array, most: int | None) -> list[Any]:
    if most is not None and len(array) > most:
        return []
    return [_items(one, most) if isinstance(one, Array) else one for one in array]
