"""Where a model goes, and with how long a context for how many at once: the best that fits.

Everything here is reckoning; what a placement takes is told by `weigh`. The order of preference is
all on one GPU, split between GPUs, part on the processor, all on the processor; then the longest
context, then the most sequences. More memory never gives a worse placement.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from puna.hosts.anatomy import Anatomy
from puna.hosts.estimate import CELLS, cache_bytes
from puna.hosts.host import Device, Wish
from puna.hosts.ways import Way, Ways, Weigh, largest
from puna.protocol import Placement

# What a model that was trained on more gets at least, unless another length is wished for.
LEAST_CONTEXT = 4096
# Of the memory there is, what a cache may take where nobody says how long a context should be,
# and what streams may take before a pool is the better choice.
SHARE = 0.25
# Beyond this many at once, each adds little: 16 together decode 4 times as fast as one alone.
MOST_SEQUENCES = 16
# In a pool, each sequence should find about so many tokens.
POOL_TOKENS = 1024


@dataclass(frozen=True)
class Placing:
    """One question of where a model goes: the model, the wish, the memory, and what things take."""

    model: Anatomy
    wish: Wish
    devices: Sequence[Device]
    free: Mapping[str, int]
    weigh: Weigh

    def best(self) -> Placement | None:
        """The best placement that fits, if any does."""
        for way in self._ways():
            if self._fits(way.place(self._least())):
                context = self._context(way)
                return way.place(self._with_sequences(way, context))
        return None

    def last(self) -> Placement:
        """The placement that was the last to be tried, in vain."""
        *_, way = self._ways()
        return way.place(self._least())

    def others(self) -> Iterator[Wish]:
        """Wishes near this one that fit, where it does not."""
        if self.wish.gpu_layers is not None:
            yield from self._if_it_fits(replace(self.wish, gpu_layers=None))
        if (shorter := self._shorter()) is not None:
            yield shorter
        # Without flash attention, the library takes no smaller types.
        smaller = ("q8_0", "q4_0") if self.wish.flash_attention != "off" else ()
        for cache_type in smaller:
            if fitting := [*self._if_it_fits(replace(self.wish, cache_type=cache_type))]:
                yield from fitting
                break

    def _ways(self) -> Iterator[Way]:
        layers = len(self.model.layers) + 1
        ways = Ways(layers, self.wish, self.devices, self.free, self.weigh)
        return ways.all(self._least())

    def _least(self) -> Placement:
        """The smallest placement of which there is any use."""
        wish = self.wish
        least = wish.least_context or min(LEAST_CONTEXT, wish.context or LEAST_CONTEXT)
        return Placement(
            context=max(1, min(least, self.model.trained or least)),
            sequences=1,
            pooled=True,
            batch=wish.batch,
            threads=wish.threads,
            main_gpu=wish.main_gpu,
            tensor_split=wish.tensor_split,
            split_mode=wish.split_mode,
            cache_type_k=wish.cache_type,
            cache_type_v=wish.cache_type,
            flash_attention=wish.flash_attention,
            mmap=wish.mmap,
            mlock=wish.mlock,
        )

    # How long, and how many

    def _context(self, way: Way) -> Placement:
        """The longest context that fits, up to what is wished for or the model was trained on."""
        least = self._least()
        most = self.wish.context or self.model.trained or least.context
        most = max(least.context, min(most, self.model.trained or most))

        def fits(context: int) -> bool:
            longer = replace(least, context=context)
            bounded = self.wish.context is None and context > LEAST_CONTEXT
            if bounded and not self._is_share(way, longer):
                return False
            return self._fits(way.place(longer))

        if fits(most):
            return replace(least, context=most)
        blocks = largest(most // CELLS, least.context // CELLS, lambda blocks: fits(blocks * CELLS))
        return replace(least, context=max(least.context, blocks * CELLS))

    def _with_sequences(self, way: Way, sizes: Placement) -> Placement:
        """Streams for as many as fit well, else a pool for as many as are wished for."""
        wished = self.wish.sequences
        most = wished or MOST_SEQUENCES
        pool = wished or max(1, min(most, sizes.context // POOL_TOKENS))
        # Whoever says how many and how long means that each may come to that.
        both_wished = bool(wished and self.wish.context)

        def in_streams(count: int) -> bool:
            more = replace(sizes, sequences=count, pooled=False)
            is_fair = both_wished or self._is_share(way, more)
            return is_fair and self._fits(way.place(more))

        def in_pool(count: int) -> bool:
            return self._fits(way.place(replace(sizes, sequences=count)))

        streams = largest(most, 1, in_streams)
        if streams >= pool:
            return replace(sizes, sequences=streams, pooled=streams == 1)
        return replace(sizes, sequences=largest(pool, 1, in_pool))

    def _is_share(self, way: Way, sizes: Placement) -> bool:
        """Whether the cache takes no more than a fair part of the memory that it lies in."""
        return cache_bytes(self.model, sizes) <= SHARE * way.memory

    # What fits

    def _fits(self, place: Placement) -> bool:
        need = self.weigh(place)
        return all(bytes <= self.free.get(device, 0) for device, bytes in need.items())

    def _if_it_fits(self, wish: Wish) -> Iterator[Wish]:
        if self._instead(wish).best() is not None:
            yield wish

    def _shorter(self) -> Wish | None:
        """The same with as long a context as fits, which is shorter than what must be."""

        def fits(blocks: int) -> bool:
            return self._instead(self._of_context(blocks * CELLS)).best() is not None

        blocks = largest(max(0, self._least().context - 1) // CELLS, 0, fits)
        return self._of_context(blocks * CELLS) if blocks else None

    def _of_context(self, tokens: int) -> Wish:
        return replace(self.wish, context=tokens, least_context=tokens)

    def _instead(self, wish: Wish) -> "Placing":
        return Placing(self.model, wish, self.devices, self.free, self.weigh)
