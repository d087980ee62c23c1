"""What can start runners: this machine, or any other that keeps the same promise."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from puna.protocol import Adapter, Load, Pace
from puna.runners.runner import Runner

# The name of the device whose memory is the main memory.
CPU = "CPU"


class Device(msgspec.Struct, frozen=True):
    """Something with memory that can hold a model or a part of it; the first is the processor.

    `utilisation` is from 0 to 1, where it is known; `features` are the processor's that the engine
    makes use of.
    """

    name: str
    kind: Literal["cpu", "gpu", "integrated"]
    description: str
    total: int
    free: int
    utilisation: float | None = None
    features: tuple[str, ...] = ()


class Wish(msgspec.Struct, frozen=True):
    """A model to be loaded, and how it should lie; None leaves a thing to the host.

    `spread` uses all GPUs also for what one of them could hold.
    Of `context` (tokens of one sequence) as much is given as fits, never less than
    `least_context`; of `sequences` likewise as many as fit, at least one.
    """

    weights: tuple[str, ...]
    projector: str = ""
    adapters: tuple[Adapter, ...] = ()
    context: int | None = None
    least_context: int = 0
    sequences: int | None = None
    batch: int = 512
    threads: int = 0
    gpu_layers: int | None = None
    main_gpu: int = 0
    tensor_split: tuple[float, ...] = ()
    split_mode: Literal["none", "layer", "row", "tensor"] = "layer"
    spread: bool = False
    cache_type: str = "f16"
    flash_attention: Literal["auto", "on", "off"] = "auto"
    mmap: bool = True
    mlock: bool = False
    pace: Pace = Pace()


class Share(msgspec.Struct, frozen=True):
    """What one device has of a model: layers, and bytes by what they are for.

    `work` are the buffers of a step; `own` is what a process takes whatever it does.
    """

    layers: int = 0
    weights: int = 0
    cache: int = 0
    work: int = 0
    own: int = 0


class Plan(msgspec.Struct, frozen=True):
    """Where a model would go: what to load, and how many bytes that takes on each device.

    `shares` is the same in parts, as reckoned; what was measured may be more.
    """

    load: Load
    bytes: dict[str, int]
    why: str = ""
    shares: dict[str, Share] = {}


class Host(Protocol):
    """A machine that can start runners."""

    async def devices(self) -> tuple[Device, ...]:
        """What there is, with the memory that is free just now."""
        ...

    async def plan(self, wish: Wish, free: Mapping[str, int]) -> Plan:
        """The best placement in so many bytes of each device, or `NoRoom`."""
        ...

    async def suppose(self, wish: Wish, devices: Sequence[Device]) -> Plan:
        """The best placement on devices that need not be there, reckoned alone, or `NoRoom`."""
        ...

    async def start(self, load: Load, seconds: float) -> Runner:
        """A runner that has loaded this, ready for jobs; or an error, and nothing left over."""
        ...
