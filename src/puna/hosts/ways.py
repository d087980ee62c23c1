"""The ways in which a model can lie on a machine's devices, the best first.

A way takes what is to be placed (how long, how many) and says how it would lie. That it fits is
not said here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from puna.hosts.estimate import gpus
from puna.hosts.host import CPU, Device, Wish
from puna.protocol import Placement

Weigh = Callable[[Placement], Mapping[str, int]]


@dataclass(frozen=True)
class Way:
    """One way to lie: `place` completes a placement, `memory` is what its devices have free."""

    place: Callable[[Placement], Placement]
    memory: int


@dataclass(frozen=True)
class Ways:
    """All ways for a wish, given the layers (the output counts as one) and the free memory."""

    layers: int
    wish: Wish
    devices: Sequence[Device]
    free: Mapping[str, int]
    weigh: Weigh

    def all(self, least: Placement) -> Iterator[Way]:
        """Each way; `least` is the smallest placement of which there is any use."""
        asked = self.wish.gpu_layers
        every = self.layers if asked is None or asked < 0 else min(asked, self.layers)
        offered = self._offered()
        if offered and every:
            yield from self._on_one(offered, every)
            yield from self._split(offered, every)
            if asked is None:
                yield from self._partly(offered, least)
        if asked is None or not every or not offered:
            yield Way(self._on_processor, self.free.get(CPU, 0))

    @property
    def _names(self) -> list[str]:
        return [device.name for device in gpus(self.devices)]

    def _offered(self) -> list[str]:
        """The GPUs to be used: where nothing may be split, only the main one."""
        names, main = self._names, self.wish.main_gpu
        allowed = names if self.wish.split_mode != "none" else names[main : main + 1]
        asked = self.wish.gpu_layers is not None
        return [name for name in allowed if asked or self.free.get(name, 0) > 0]

    @property
    def _split_given(self) -> bool:
        return bool(self.wish.tensor_split) and len(self._names) > 1

    def _on_processor(self, sizes: Placement) -> Placement:
        return replace(sizes, gpu_layers=0, split_mode="layer", tensor_split=())

    def _on_one(self, offered: Sequence[str], count: int) -> Iterator[Way]:
        """All on one GPU, on that with the most room; among equals, on the main one."""
        divided = self.wish.spread or self.wish.split_mode in ("row", "tensor")
        if (len(offered) > 1 and divided) or self._split_given:
            return
        main, names = self.wish.main_gpu, self._names
        order = sorted(
            offered, key=lambda name: (-self.free.get(name, 0), names.index(name) != main)
        )
        for name in order:
            yield Way(self._alone(name, count), self.free.get(name, 0))

    def _alone(self, name: str, count: int) -> Callable[[Placement], Placement]:
        main = self._names.index(name)
        return lambda sizes: replace(
            sizes, gpu_layers=count, split_mode="none", main_gpu=main, tensor_split=()
        )

    def _split(self, offered: Sequence[str], count: int) -> Iterator[Way]:
        """Between GPUs."""
        if len(offered) > 1 or self._split_given:
            memory = sum(self.free.get(name, 0) for name in offered)
            yield Way(lambda sizes: self._shared(sizes, offered, count), memory)

    def _partly(self, offered: Sequence[str], least: Placement) -> Iterator[Way]:
        """As many layers as fit on the GPUs, the rest on the processor."""

        def hold(count: int) -> bool:
            return self._holds(self._shared(least, offered, count), self._names)

        if count := largest(self.layers - 1, 0, hold):
            memory = sum(self.free.get(name, 0) for name in (CPU, *offered))
            yield Way(lambda sizes: self._shared(sizes, offered, count), memory)

    def _shared(self, sizes: Placement, offered: Sequence[str], count: int) -> Placement:
        """So many layers between GPUs: as asked, by what is free, or by what each can hold."""
        if self._split_given:
            return replace(sizes, gpu_layers=count)
        if len(offered) == 1:
            return self._alone(offered[0], count)(sizes)
        free = [self.free.get(name, 0) if name in offered else 0 for name in self._names]
        split = replace(sizes, gpu_layers=count, tensor_split=tuple(map(float, free)))
        if self.wish.split_mode != "layer" or self._holds(split, offered):
            return split
        return self._filled(split, offered)

    def _filled(self, split: Placement, offered: Sequence[str]) -> Placement:
        """Each GPU in turn takes as many layers as it can hold, the last one what is left."""
        parts = dict.fromkeys(self._names, 0)
        *first, last = offered
        for name in first:
            left = split.gpu_layers - sum(parts.values())
            parts[name] = largest(left, 0, partial(self._can_take, split, parts, name, last))
        return _split_as(split, parts | {last: split.gpu_layers - sum(parts.values())})

    def _can_take(
        self, split: Placement, parts: Mapping[str, int], name: str, last: str, count: int
    ) -> bool:
        """Whether a GPU can hold so many layers behind the others', before the last one's."""
        rest = split.gpu_layers - sum(parts.values()) - count
        return self._holds(_split_as(split, {**parts, name: count, last: rest}), [name])

    def _holds(self, place: Placement, names: Sequence[str]) -> bool:
        need = self.weigh(place)
        return all(need.get(name, 0) <= self.free.get(name, 0) for name in names)


def _split_as(split: Placement, parts: Mapping[str, int]) -> Placement:
    return replace(split, tensor_split=tuple(map(float, parts.values())))


def largest(most: int, least: int, fits: Callable[[int], bool]) -> int:
    """The largest number from `least`, which is taken to fit, to `most` that fits."""
    while least < most:
        tried = (least + most + 1) // 2
        if fits(tried):
            least = tried
        else:
            most = tried - 1
    return least
