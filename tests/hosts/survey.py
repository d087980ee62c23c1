"""Recorded answers of an engine about its devices: as one with a CUDA build gives them."""

from pathlib import Path

import msgspec

from puna.engine.survey import Survey
from puna.hosts.host import Device

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> Survey:
    """What an engine printed on a machine with so many GPUs."""
    return msgspec.json.decode((RECORDED / f"{name}.json").read_bytes(), type=Survey)


def devices(name: str) -> tuple[Device, ...]:
    """The same as a host tells it."""
    found = recorded(name).devices
    return tuple(
        Device(device.name, device.kind, device.description, device.total, device.free)
        for device in found
    )
