"""How much of each device's memory runners may take in all."""

from collections.abc import Collection, Iterable, Mapping

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


def utmost(devices: Collection[Device], settings: Settings) -> dict[str, int]:
    """What runners could take of each device if nobody else were on the machine."""
    whole = {device.name: device.total for device in devices}
    given = budgets(devices, whole, settings)
    return {name: min(most, max(0, whole[name] - settings.reserve)) for name, most in given.items()}
