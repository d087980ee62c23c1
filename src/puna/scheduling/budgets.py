"""How much of each device's memory runners may take in all."""

from collections.abc import Collection, Iterable, Mapping

from puna.hosts.host import Device
from puna.settings import Settings


class Room:
    """What there is for runners: what was free without any, less what others have taken since."""

    def __init__(self) -> None:
        self._empty: Mapping[str, int] = {}
        self.bytes: Mapping[str, int] = {}

    def see(self, free: Mapping[str, int], taken: Mapping[str, int]) -> None:
        """So much is free beside runners that take so much, while none comes and none goes.

        What was set aside for them and is not used yet is free, so there may seem to be more.
        """
        if not taken:
            self._empty = dict(free)
        self.bytes = {
            device: min(self._empty.get(device, size), size + taken.get(device, 0))
            for device, size in free.items()
        }


def budgets(
    devices: Iterable[Device], room: Mapping[str, int], settings: Settings
) -> dict[str, int]:
    """The bytes of each device, of which there is so much for runners."""
    given: dict[str, int] = {}
    for device in devices:
        most = max(0, room.get(device.name, device.free) - settings.reserve)
        if device.kind == "cpu" and settings.memory is not None:
            most = min(most, settings.memory)
        elif device.kind != "cpu":
            most = max(0, most - settings.gpu_overhead)
        given[device.name] = most
    return given


def utmost(devices: Collection[Device], settings: Settings) -> dict[str, int]:
    """What runners could take of each device if nobody else were on the machine."""
    whole = {device.name: device.total for device in devices}
    return budgets(devices, whole, settings)
