"""How much memory this process takes: of the machine's in all, of each GPU's since it looked."""

from puna.engine.libllama import Library


class Footprint:
    """Looks at the GPUs' free memory when it is made, before anything is loaded."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._before = self._free()

    def measured(self) -> dict[str, int]:
        """Bytes by device. What others took of a GPU meanwhile is counted too."""
        import psutil

        after = self._free()
        grown = {name: free - after.get(name, free) for name, free in self._before.items()}
        return {"CPU": psutil.Process().memory_info().rss} | {
            name: size for name, size in grown.items() if size > 0
        }

    def _free(self) -> dict[str, int]:
        return {
            device.name: device.free
            for device in self._library.devices()
            if device.kind in ("gpu", "igpu")
        }
