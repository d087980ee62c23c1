"""What loads were measured to take, for as long as this process lives."""

from collections.abc import Mapping

from puna.protocol import Adapter, Load, Placement

# What decides how much a load takes: its files, and where they go.
_Key = tuple[tuple[str, ...], str, tuple[Adapter, ...], Placement]


class Measured:
    """Remembers the last load of each placement."""

    def __init__(self) -> None:
        self._found: dict[_Key, dict[str, int]] = {}

    def remember(self, load: Load, memory: Mapping[str, int]) -> None:
        """A runner has loaded this and takes so many bytes of each device."""
        self._found[key(load)] = dict(memory)

    def correct(self, load: Load, bytes: Mapping[str, int]) -> dict[str, int]:
        """What a load takes, as reckoned, or as measured where that was more.

        It never becomes less: of a step's buffers a runner on the processor has touched next to
        nothing when it has just loaded.
        """
        found = self._found.get(key(load), {})
        devices = {**bytes, **found}
        return {device: max(bytes.get(device, 0), found.get(device, 0)) for device in devices}


def key(load: Load) -> _Key:
    """The files of a load and where they go; its template and pace take no memory."""
    return (load.weights, load.projector, load.adapters, load.placement)
