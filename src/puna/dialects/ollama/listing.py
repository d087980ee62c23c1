"""How Ollama's API writes what models there are, and which are loaded."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from puna.models.model import Model
from puna.scheduling.resident import Resident

# Ollama's way to say that a model stays until it is told to go.
NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
# What the engine calls the device whose memory is the machine's own.
PROCESSOR = "CPU"


class ModelDetails(msgspec.Struct, frozen=True):
    """What a model is made of."""

    parent_model: str
    format: str
    family: str
    families: Sequence[str]
    parameter_size: str
    quantization_level: str


class Listed(msgspec.Struct, frozen=True):
    """A model that there is."""

    name: str
    model: str
    modified_at: datetime
    size: int
    digest: str
    details: ModelDetails


class Running(msgspec.Struct, frozen=True):
    """A model that is loaded."""

    name: str
    model: str
    size: int
    digest: str
    details: ModelDetails
    expires_at: datetime
    size_vram: int
    context_length: int


def details_of(model: Model) -> ModelDetails:
    """The details that the model's manifest has."""
    details = model.details
    return ModelDetails(
        parent_model=model.parent,
        format=details.format,
        family=details.family,
        families=details.families,
        parameter_size=details.parameter_size,
        quantization_level=details.quantization,
    )


def listed(model: Model) -> Listed:
    """The model in a list of all."""
    name = str(model.name)
    return Listed(name, name, model.modified, model.size, model.digest, details_of(model))


def running(resident: Resident) -> Running:
    """The model in a list of those that are loaded."""
    model, name = resident.model, str(resident.model.name)
    return Running(
        name=name,
        model=name,
        size=sum(resident.bytes.values()),
        digest=model.digest,
        details=details_of(model),
        expires_at=resident.expires_at or NEVER,
        size_vram=sum(size for device, size in resident.bytes.items() if device != PROCESSOR),
        context_length=resident.placement.context,
    )
