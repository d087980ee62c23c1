"""What of a model decides how much memory it takes, read from the header of its file.

Where a header leaves a doubt, the answer errs on the large side.
"""

import re
from collections.abc import Mapping

import msgspec

from puna.models.gguf import Array, Header

_LAYER = re.compile(r"blk\.(\d+)\.")
_INPUTS = ("token_embd", "token_types", "position_embd", "per_layer_token_embd")
# Every so many layers one has attention, where the file does not say it.
_ATTENTION_EVERY = 4
# Of these architectures each layer has attention and a state; of those a layer has one of the two.
_BOTH = frozenset({"falcon-h1"})
_IN_TURNS = frozenset({"qwen3next", "qwen35", "qwen35moe", "qwen4exp"})
# How many first layers of Gemma 3n keep a cache, which the others read too.
_GEMMA3N_CACHED = 20


class Layer(msgspec.Struct, frozen=True):
    """One layer: bytes of weights, numbers that a token leaves in the cache, bytes of a state.

    A state is what a recurrent layer keeps of a sequence, whatever its length.
    """

    weights: int
    key: int = 0
    value: int = 0
    state: int = 0


class Anatomy(msgspec.Struct, frozen=True):
    """A model's layers, and what lies before and behind them.

    `input` and `output` are bytes of weights. Where both are the same matrix, `tied` has its bytes,
    and another device than the input's needs a copy. `forward` is how many numbers the widest part
    of a layer makes of a token, `queries` and `keys` those of its attention. `trained` is the
    longest context that the model was trained on. `masks` are those that attention needs in a step.
    `pooling` is the engine's number of how outputs become one vector, 0 for models that generate.
    """

    layers: tuple[Layer, ...]
    input: int
    output: int
    tied: int
    vocabulary: int
    width: int
    forward: int
    heads: int
    queries: int
    keys: int
    trained: int
    masks: int = 1
    pooling: int = 0
    causal: bool = True

    @property
    def weights(self) -> int:
        """Bytes of all weights, each once."""
        return self.input + self.output + sum(layer.weights for layer in self.layers)


def anatomy(header: Header) -> Anatomy:
    """The anatomy of a model by its header."""
    return _Reader(header).anatomy()


class _Reader:
    """Reads the keys of one architecture."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._metadata: Mapping[str, object] = header.metadata
        self._architecture = str(header.metadata.get("general.architecture", ""))
        self._count = self._number("block_count")
        self._width = self._number("embedding_length")

    def anatomy(self) -> Anatomy:
        weights, ends = self._weights()
        input = sum(size for name, size in ends.items() if name.startswith(_INPUTS))
        vocabulary = self._vocabulary()
        every = range(self._count)
        return Anatomy(
            layers=tuple(self._layer(place, weights[place]) for place in every),
            input=input,
            output=sum(ends.values()) - input,
            tied=0 if "output.weight" in ends else ends.get("token_embd.weight", 0),
            vocabulary=vocabulary,
            width=self._width,
            forward=max([self._forward(place) for place in every], default=0),
            heads=max([self._each("attention.head_count", place) for place in every], default=0),
            queries=max([self._queries(place) for place in every], default=0),
            keys=max([self._cached(place)[0] for place in every], default=0),
            trained=self._number("context_length"),
            masks=self._masks(),
            pooling=self._number("pooling_type"),
            causal=self._metadata.get(f"{self._architecture}.attention.causal") is not False,
        )

    def _weights(self) -> tuple[list[int], dict[str, int]]:
        """Bytes of each layer's tensors, and of each that is in no layer."""
        layers, ends = [0] * self._count, dict[str, int]()
        for tensor in self._header.tensors:
            found = _LAYER.match(tensor.name)
            if found and int(found[1]) < self._count:
                layers[int(found[1])] += tensor.size
            else:
                ends[tensor.name] = tensor.size
        return layers, ends

    def _layer(self, place: int, weights: int) -> Layer:
        key, value = self._cached(place)
        state = self._state()
        if not state or (not self._recurs(place) and key):
            return Layer(weights, key, value)
        if self._architecture in _BOTH:
            return Layer(weights, key, value, state)
        return Layer(weights, state=state)

    def _recurs(self, place: int) -> bool:
        """Whether a layer of a model with states has one."""
        if self._architecture in _IN_TURNS:
            return (place + 1) % (self._number("full_attention_interval") or _ATTENTION_EVERY) != 0
        return self._architecture in _BOTH

    def _cached(self, place: int) -> tuple[int, int]:
        """How many numbers of keys and of values a token leaves in a layer's cache."""
        if place >= self._caching():
            return 0, 0
        heads = self._each("attention.head_count_kv", place, self._heads(place))
        key = heads * self._head_width("key", place)
        # With latent attention the values are made from the keys.
        latent = self._number("attention.key_length_mla")
        return key, 0 if latent else heads * self._head_width("value", place)

    def _caching(self) -> int:
        """How many layers, from the first on, have a cache of their own."""
        if self._architecture == "gemma3n":
            return _GEMMA3N_CACHED
        shared = self._number("attention.shared_kv_layers")
        return self._count - shared - self._number("nextn_predict_layers")

    def _heads(self, place: int) -> int:
        return self._each("attention.head_count", place)

    def _head_width(self, part: str, place: int) -> int:
        default = self._width // max(1, self._heads(place))
        if self._each("attention.sliding_window_pattern", place) is True:
            default = self._number(f"attention.{part}_length", default)
            return self._number(f"attention.{part}_length_swa", default)
        return self._number(f"attention.{part}_length", default)

    def _queries(self, place: int) -> int:
        return self._heads(place) * self._head_width("key", place)

    def _forward(self, place: int) -> int:
        dense = self._each("feed_forward_length", place)
        experts = self._number("expert_used_count") * self._number("expert_feed_forward_length")
        shared = self._number("expert_shared_feed_forward_length")
        return max(dense, experts + shared, 2 * self._number("ssm.inner_size"))

    def _state(self) -> int:
        """Bytes of a recurrent layer's state: two parts, of 32-bit numbers."""
        if size := self._number("wkv.head_size"):
            return 4 * self._width * (self._number("token_shift_count", 2) + size)
        if cache := self._number("shortconv.l_cache"):
            return 4 * self._width * (cache - 1)
        inner, size = self._number("ssm.inner_size"), self._number("ssm.state_size")
        groups = self._number("ssm.group_count")
        window = max(0, self._number("ssm.conv_kernel") - 1)
        return 4 * (window * (inner + 2 * groups * size) + inner * size)

    def _masks(self) -> int:
        attends = any(self._cached(place)[0] for place in range(self._count))
        return attends + (attends and self._number("attention.sliding_window") > 0)

    def _vocabulary(self) -> int:
        tokens = self._metadata.get("tokenizer.ggml.tokens")
        return len(tokens) if isinstance(tokens, Array) else self._number("vocab_size")

    def _number(self, key: str, default: int = 0) -> int:
        found = self._metadata.get(f"{self._architecture}.{key}")
        return found if isinstance(found, int) else default

    def _each(self, key: str, place: int, default: int = 0) -> int:
        """A number that a file has once, or for each layer."""
        found = self._metadata.get(f"{self._architecture}.{key}")
        if isinstance(found, Array):
            items = list(found)
            item = items[place] if place < len(items) else default
            return item if isinstance(item, int) else default
        return self._number(key, default)
