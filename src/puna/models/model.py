"""A model: what a name resolves to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from puna.jobs import Message
from puna.models.names import Name


@dataclass(frozen=True, slots=True)
class Details:
    """What the manifest says of the weights, for those who list models."""

    format: str = "gguf"
    family: str = ""
    families: tuple[str, ...] = ()
    parameter_size: str = ""
    quantization: str = ""


@dataclass(frozen=True)
class Model:
    """A name with what it resolves to.

    `digest` is the manifest's SHA-256 in hex (of a built-in model, its file's). `template` is Go's;
    empty, the file's own Jinja template is used. `written_template` is the manifest's TEMPLATE, in
    use or not. `parameters` have Ollama's names.
    """

    name: Name
    digest: str
    weights: tuple[Path, ...]
    size: int
    modified: datetime
    projector: Path | None = None
    adapters: tuple[Path, ...] = ()
    template: str = ""
    system: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    messages: tuple[Message, ...] = ()
    licenses: tuple[str, ...] = ()
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    parent: str = ""
    builtin: bool = False
    written_template: str = ""
    details: Details = Details()
