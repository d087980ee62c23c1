"""What only the engine can tell before a model is loaded: its devices, and what a load would take.

Usage: python -m puna.engine.survey devices
       python -m puna.engine.survey simulate LOAD     the load as JSON

It ends with a line of JSON, an `Answer`. Each question has a process of its own, so that nothing
of a driver or of a broken file stays in who asked.
"""

import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from puna.errors import ErrorReport, PunaError
from puna.protocol import Load

if TYPE_CHECKING:
    from puna.engine.libllama import DeviceFound, Library

Kind = Literal["cpu", "gpu", "integrated"]

_KINDS: dict[str, Kind] = {"cpu": "cpu", "gpu": "gpu", "igpu": "integrated"}
# What the library logs of its buffers. A simulated cache tells its whole size, and its layers'
# devices one by one before that.
_LAYER = re.compile(r"llama_kv_cache: layer +\d+: dev = (\S+)")
_CACHE = re.compile(r"llama_kv_cache: size = +([\d.]+) MiB \(")
_STATES = re.compile(r"(\S+) RS buffer size = +([\d.]+) MiB")
_WORK = re.compile(r"(\S+) +(?:compute|output) buffer size = +([\d.]+) MiB")
_FEATURE = re.compile(r"(\w+) = 1 ")


class Surveyed(msgspec.Struct, frozen=True):
    """A device; `id` is that of the PCI bus, where there is one."""

    name: str
    kind: Kind
    description: str
    free: int
    total: int
    id: str = ""


class Survey(msgspec.Struct, frozen=True, tag="survey"):
    """The engine's devices, and the processor's features that it was built to use."""

    devices: tuple[Surveyed, ...]
    features: tuple[str, ...]


class Simulation(msgspec.Struct, frozen=True, tag="simulation"):
    """Bytes on each device that a load would take beside its weights."""

    cache: dict[str, int]
    work: dict[str, int]


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """The question cannot be answered, and why."""

    error: ErrorReport


Answer = Survey | Simulation | Refusal


class Sizes:
    """Adds up the sizes that the library's log tells; devices that are not known are the host's."""

    def __init__(self, devices: frozenset[str]) -> None:
        self._devices = devices
        self._layers = Counter[str]()
        self.cache = Counter[str]()
        self.work = Counter[str]()

    def read(self, line: str) -> None:
        """Take in one line of the log."""
        if found := _LAYER.search(line):
            self._layers[self._device(found[1])] += 1
        elif found := _CACHE.search(line):
            self._share(_bytes(found[1]))
        elif found := _STATES.search(line):
            self.cache[self._device(found[1])] += _bytes(found[2])
        elif found := _WORK.search(line):
            self.work[self._device(found[1])] += _bytes(found[2])

    def _share(self, size: int) -> None:
        """A cache's layers are about equally large."""
        count = self._layers.total()
        for device, layers in self._layers.items():
            self.cache[device] += size * layers // count
        self._layers.clear()

    def _device(self, name: str) -> str:
        return name if name in self._devices else "CPU"


def survey() -> Survey:
    """What the chosen engine can compute on."""
    from puna.engine.libllama import open_library

    library = open_library()
    information: bytes = library.call.llama_print_system_info() or b""
    return Survey(
        devices=tuple(
            Surveyed(
                device.name, _kind(device), device.description, device.free, device.total, device.id
            )
            for device in library.devices()
            if device.kind in _KINDS
        ),
        features=tuple(_FEATURE.findall(information.decode())),
    )


def simulate(load: Load) -> Simulation:
    """Load only the header, make the context as a runner would, and see what it would take."""
    from puna.engine.libllama import Library
    from puna.engine.origin import chosen

    lines: list[str] = []
    library = Library(chosen(), lambda _, line: lines.append(line))
    _make(library, load)
    sizes = Sizes(frozenset(device.name for device in library.devices()))
    for line in lines:
        sizes.read(line)
    return Simulation(dict(sizes.cache), dict(sizes.work))


def _make(library: "Library", load: Load) -> None:
    from puna.engine.context import Context
    from puna.engine.embedding import Embedding
    from puna.engine.model import Model
    from puna.text.tokens import Specials

    # A simulation maps nothing.
    placement = msgspec.structs.replace(load.placement, mmap=False, mlock=False)
    model = Model(library, load.weights, placement, empty=True)
    if model.pooling is None:
        Context(model, placement)
        return
    specials = Specials(model.vocabulary)
    Embedding(model, specials, placement, causal=model.causal).context()


def _kind(device: "DeviceFound") -> Kind:
    # A Mac's graphics processor has no memory of its own.
    if sys.platform == "darwin" and device.kind == "gpu":
        return "integrated"
    return _KINDS[device.kind]


def _bytes(mebibytes: str) -> int:
    return round(float(mebibytes) * (1 << 20))


def _answer(question: str, arguments: list[str]) -> Answer:
    try:
        if question == "devices":
            return survey()
        return simulate(msgspec.json.decode(arguments[0], type=Load))
    except PunaError as error:
        return Refusal(error.report())


if __name__ == "__main__":
    answer = _answer(sys.argv[1], sys.argv[2:])
    print(msgspec.json.encode(answer).decode(), flush=True)
