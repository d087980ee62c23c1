"""How much of each device's memory runners may take in all."""

from collections.abc import Iterable, Mapping

from puna.hosts.host import Device
from puna.settings import Settings


def budgets(
    devices: Iterable[Device], empty: Mapping[str, int], settings: Settings
) -> dict[str, int]:
    """The bytes of each device; `empty` is what was free of it when nothing was loaded."""
    given: dict[str, int] = {}
    for device in devices:
        most = max(0, empty.get(device.name, device.free) - settings.reserve)
        if device.kind == "cpu" and settings.memory is not None:
            most = settings.memory
        elif device.kind != "cpu":
            most = max(0, most - settings.gpu_overhead)
        given[device.name] = most
    return given
