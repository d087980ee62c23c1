"""Plans and refusals in words."""

from collections.abc import Iterator, Mapping, Sequence

from puna.errors import NoRoom
from puna.hosts.anatomy import Anatomy
from puna.hosts.estimate import gpus, layer_devices
from puna.hosts.host import CPU, Device, Wish
from puna.hosts.placement import Placing
from puna.protocol import Placement


def why(
    model: Anatomy,
    wish: Wish,
    placement: Placement,
    devices: Sequence[Device],
    need: Mapping[str, int],
    free: Mapping[str, int],
) -> str:
    """A plan in a sentence or two, and what of the wish it does not heed."""
    names = [device.name for device in gpus(devices)]
    places = layer_devices(len(model.layers), placement, names)
    takes = " and ".join(
        f"{size_of(size)} of {size_of(free.get(device, 0))} free on {named(device)}"
        for device, size in need.items()
    )
    said = f"{_where(places)}; {_how_many(placement)}. It takes {takes}."
    return f"{said} {unheeded(wish, devices)}".rstrip()


def no_room(placing: Placing) -> NoRoom:
    """That a model does not fit, with both numbers, and what would."""
    need = placing.weigh(placing.last())
    short = {device: size for device, size in need.items() if size > placing.free.get(device, 0)}
    numbers = " and ".join(
        f"{size_of(size)} on {named(device)}, where {size_of(placing.free.get(device, 0))} are free"
        for device, size in (short or need).items()
    )
    mends = [*_mends(placing)]
    mend = (
        f"It would fit with {', or with '.join(mends)}."
        if mends
        else "Choose a smaller model or quantization."
    )
    return NoRoom(numbers, mend)


def unheeded(wish: Wish, devices: Sequence[Device]) -> str:
    """What of a wish has no effect, since it divides between GPUs and there are no several."""
    count = len(gpus(devices))
    asked: list[str] = []
    if wish.tensor_split:
        asked.append(f"tensor_split ({','.join(f'{part:g}' for part in wish.tensor_split)})")
    if wish.split_mode in ("row", "tensor"):
        asked.append(f"split_mode ({wish.split_mode})")
    if not asked or count > 1:
        return ""
    has = "has" if len(asked) == 1 else "have"
    sees = "only one GPU" if count else "no GPU"
    return f"{' and '.join(asked)} {has} no effect, since the engine sees {sees}."


def size_of(bytes: int) -> str:
    """So many bytes, for people."""
    gibibytes = bytes / (1 << 30)
    return f"{gibibytes:.1f} GiB" if gibibytes >= 1 else f"{round(bytes / (1 << 20))} MiB"


def named(device: str) -> str:
    """A device as people call it."""
    return "the processor" if device == CPU else device


def _where(places: Sequence[str]) -> str:
    *layers, _ = places
    counts = {device: layers.count(device) for device in dict.fromkeys(places)}
    if len(counts) == 1:
        return f"All {len(layers)} layers on {named(places[0])}"
    parts = [f"{count} on {named(device)}" for device, count in counts.items()]
    return f"Of {len(layers)} layers {' and '.join(parts)}"


def _how_many(placement: Placement) -> str:
    context = f"{placement.context:,} tokens"
    if placement.sequences == 1:
        return f"{context} for one job at a time"
    if placement.pooled:
        return f"{context} shared by up to {placement.sequences} jobs"
    return f"{context} for each of up to {placement.sequences} jobs"


def _mends(placing: Placing) -> Iterator[str]:
    for other in placing.others():
        yield _difference(placing.wish, other)


def _difference(wish: Wish, other: Wish) -> str:
    if other.gpu_layers != wish.gpu_layers:
        return "fewer layers on GPUs (leave num_gpu out)"
    if other.cache_type != wish.cache_type:
        return f"a smaller cache type ({other.cache_type})"
    return f"a context of {other.context:,} tokens"
