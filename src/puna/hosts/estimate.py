"""How much memory a placement will take on each device, reckoned from the model's anatomy alone.

The rules are what the engine's library allocates, found by its own simulation over many shapes; see
docs/memory.md. They err on the large side.
"""

import math
from collections.abc import Sequence
from itertools import accumulate

import msgspec
from msgspec.structs import replace

from puna.hosts.anatomy import Anatomy
from puna.hosts.host import CPU, Device, Share
from puna.protocol import Placement

# Bytes and numbers of a block of each type that a cache may have.
CACHE_BLOCKS = {
    "f32": (4, 1),
    "f16": (2, 1),
    "bf16": (2, 1),
    "q8_0": (34, 32),
    "q5_1": (24, 32),
    "q5_0": (22, 32),
    "q4_1": (20, 32),
    "q4_0": (18, 32),
    "iq4_nl": (18, 32),
}
# What a runner's process takes before it has a model, and for each token of a vocabulary.
PROCESS = 64 << 20
PER_TOKEN = 320
# What a process takes of a GPU before it has a model: the driver's context and the kernels.
GPU_CONTEXT = 512 << 20
# Rows of logits beyond one for each sequence: see EXTRA_OUTPUTS of the engine.
EXTRA_OUTPUTS = 64
# How many inputs are embedded at once, and which poolings can take an input in pieces.
INPUTS = 32
IN_PIECES = (3, 4)
# A cache has its cells by so many.
CELLS = 256
# A step is prepared so many times over where several GPUs work on one after the other.
COPIES = 4
# Vectors of the model's width that a step holds at once, and of the widest part of a layer.
NARROW, WIDE = 5, 3


class Extras(msgspec.Struct, frozen=True):
    """What is loaded beside the weights: bytes of adapters; weights and work of a projector."""

    adapters: int = 0
    projector: int = 0
    seeing: int = 0


NOTHING = Extras()


class Need(msgspec.Struct, frozen=True):
    """Bytes on each device, by what they are for.

    `work` are the buffers of a step; `own` is what a process takes besides, whatever it does.
    """

    weights: dict[str, int]
    cache: dict[str, int]
    work: dict[str, int]
    own: dict[str, int]

    def times(self, every: float = 1.0, cache: float = 1.0) -> "Need":
        """So many times as much of everything, and so many times the cache."""
        return Need(
            weights=_times(self.weights, every),
            cache=_times(self.cache, every * cache),
            work=_times(self.work, every),
            own=_times(self.own, every),
        )

    def totals(self, devices: Sequence[Device]) -> dict[str, int]:
        """Bytes on each device, all in all; what is on an integrated GPU is in main memory too."""
        found = {CPU: 0}
        for part in (self.weights, self.cache, self.work, self.own):
            for device, bytes in part.items():
                found[device] = found.get(device, 0) + bytes
        shared = (device.name for device in devices if device.kind == "integrated")
        found[CPU] += sum(found.get(name, 0) for name in shared)
        return {device: bytes for device, bytes in found.items() if bytes}


def _times(part: dict[str, int], factor: float) -> dict[str, int]:
    return {device: math.ceil(bytes * factor) for device, bytes in part.items()}


def shares(
    model: Anatomy, placement: Placement, devices: Sequence[Device], need: Need
) -> dict[str, Share]:
    """What each device has of a model."""
    places = layer_devices(len(model.layers), placement, [one.name for one in gpus(devices)])
    return {
        name: Share(
            layers=places[:-1].count(name),
            weights=need.weights.get(name, 0),
            cache=need.cache.get(name, 0),
            work=need.work.get(name, 0),
            own=need.own.get(name, 0),
        )
        for name in need.totals(devices)
    }


def gpus(devices: Sequence[Device]) -> tuple[Device, ...]:
    """The devices that layers may go to: integrated ones only where there are no others."""
    own = tuple(device for device in devices if device.kind == "gpu")
    return own or tuple(device for device in devices if device.kind == "integrated")


def estimate(
    model: Anatomy, placement: Placement, devices: Sequence[Device], extras: Extras = NOTHING
) -> Need:
    """What a placement of a model will take."""
    placement = _as_made(model, placement)
    graphics = gpus(devices)
    names = [device.name for device in graphics]
    places = layer_devices(len(model.layers), placement, names)
    used = [name for name in names if name in places]
    return Need(
        weights=_weights(model, placement, names, places, extras),
        cache=_cache(model, placement, places),
        work=_work(model, placement, used),
        own=_own(model, placement, names, used, extras),
    )


def layer_devices(layers: int, placement: Placement, names: Sequence[str]) -> list[str]:
    """The device of each layer, and last of the output, by the library's own rule."""
    every = layers + 1
    asked = placement.gpu_layers if placement.gpu_layers >= 0 else every
    on_gpus = min(asked, every) if names else 0
    first = every - on_gpus
    if not on_gpus:
        return [CPU] * every
    if placement.split_mode == "none":
        return [CPU] * first + [names[placement.main_gpu]] * on_gpus
    shares = shares_of(placement, names)
    borders = [border / sum(shares) for border in accumulate(shares)]
    split = [
        next((name for name, border in zip(names, borders, strict=True) if at < border), names[-1])
        for at in (place / on_gpus for place in range(on_gpus))
    ]
    return [CPU] * first + split


def shares_of(placement: Placement, names: Sequence[str]) -> list[float]:
    """Each GPU's part of what is split."""
    given = [*placement.tensor_split, *[0.0] * len(names)][: len(names)]
    return given if sum(given) > 0 else [1.0] * len(names)


def cells(model: Anatomy, placement: Placement) -> tuple[int, int]:
    """How many cells a sequence can reach, and how many there are in all."""
    if placement.pooled:
        reach = _whole(placement.context)
        return reach, reach
    reach = _whole(min(placement.context, model.trained or placement.context))
    return reach, reach * placement.sequences


def cache_bytes(model: Anatomy, placement: Placement) -> int:
    """Bytes of the whole cache, wherever it lies."""
    placement = _as_made(model, placement)
    return sum(_cache(model, placement, [CPU] * len(model.layers)).values())


def _as_made(model: Anatomy, placement: Placement) -> Placement:
    """The context that the engine really makes: one to embed with has a shape of its own."""
    if not model.pooling:
        return placement
    longest = min(placement.context, model.trained or placement.context)
    in_pieces = model.causal and model.pooling in IN_PIECES
    return replace(
        placement,
        context=longest,
        batch=min(placement.batch, longest) if in_pieces else longest,
        sequences=INPUTS,
        pooled=True,
    )


def _whole(context: int) -> int:
    return math.ceil(context / CELLS) * CELLS


def _weights(
    model: Anatomy,
    placement: Placement,
    names: Sequence[str],
    places: Sequence[str],
    extras: Extras,
) -> dict[str, int]:
    found = {CPU: model.input}
    output = model.output + (model.tied if places[-1] != CPU else 0)
    parts = [*(layer.weights for layer in model.layers), output]
    adapters = math.ceil(extras.adapters / max(1, len(model.layers)))
    for place, (bytes, device) in enumerate(zip(parts, places, strict=True)):
        added = adapters if place < len(model.layers) else 0
        for name, part in _spread(placement, names, device).items():
            found[name] = found.get(name, 0) + math.ceil((bytes + added) * part)
    seer = _seer(placement, names)
    found[seer] = found.get(seer, 0) + extras.projector
    return found


def _spread(placement: Placement, names: Sequence[str], device: str) -> dict[str, float]:
    """The parts of a layer's weights on each device: split by rows, each has some."""
    if device == CPU or placement.split_mode not in ("row", "tensor"):
        return {device: 1.0}
    shares = shares_of(placement, names)
    return {name: share / sum(shares) for name, share in zip(names, shares, strict=True)}


def _cache(model: Anatomy, placement: Placement, places: Sequence[str]) -> dict[str, int]:
    if model.pooling and not model.causal:
        return {}
    found: dict[str, int] = {}
    _, count = cells(model, placement)
    for layer, device in zip(model.layers, places, strict=False):
        bytes = count * (
            _stored(layer.key, placement.cache_type_k)
            + _stored(layer.value, placement.cache_type_v)
        )
        found[device] = found.get(device, 0) + bytes + layer.state * placement.sequences
    return found


def _stored(numbers: int, cache_type: str) -> int:
    bytes, block = CACHE_BLOCKS[cache_type]
    return math.ceil(numbers / block) * bytes


def _work(model: Anatomy, placement: Placement, used: Sequence[str]) -> dict[str, int]:
    """The buffers of a step, on each device that has layers, and of its output."""
    masks, narrow, rest = _step(model, placement)
    step = masks + NARROW * narrow + rest
    output = 4 * model.vocabulary * placement.sequences
    if not used:
        return {CPU: output + step}
    copies = COPIES if len(used) > 1 else 1
    partly = 0 <= placement.gpu_layers <= len(model.layers)
    beside = step if partly else masks + narrow
    return {CPU: output + beside} | dict.fromkeys(used, step + (copies - 1) * masks)


def _step(model: Anatomy, placement: Placement) -> tuple[int, int, int]:
    """Bytes of a step's masks, of one vector for each token, and of what is widest in it."""
    reach, _ = cells(model, placement)
    batch = min(placement.step, _whole(placement.context))
    if model.pooling and not model.causal:
        reach = batch = placement.context
    rows = batch if model.pooling else min(batch, placement.sequences + EXTRA_OUTPUTS)
    widest = max(4 * batch * model.forward * WIDE, 4 * model.vocabulary * rows)
    if placement.flash_attention == "off":
        scores = reach * model.heads + 2 * model.queries + 2 * model.keys
        widest = max(widest, 4 * batch * scores)
    masks = model.masks * batch * reach * (4 if placement.flash_attention == "off" else 2)
    return masks, 4 * batch * model.width, widest


def _own(
    model: Anatomy,
    placement: Placement,
    names: Sequence[str],
    used: Sequence[str],
    extras: Extras,
) -> dict[str, int]:
    """What a runner's process takes of each device whatever it does, with its projector's work."""
    found = {CPU: PROCESS + PER_TOKEN * model.vocabulary}
    found |= dict.fromkeys(used, GPU_CONTEXT)
    seer = _seer(placement, names)
    return found | {seer: found.get(seer, 0) + extras.seeing}


def _seer(placement: Placement, names: Sequence[str]) -> str:
    """Where a projector goes: to the first GPU, if any is used."""
    return names[0] if names and placement.gpu_layers else CPU
