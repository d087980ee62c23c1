"""The weights of a model, loaded: their one owner, their facts, their adapters."""

import ctypes as C
import re
from collections.abc import Callable
from functools import cached_property

from puna.engine import abi
from puna.engine.libllama import Library
from puna.engine.vocabulary import Vocabulary
from puna.errors import BadModelFile, EngineFailed, LoadFailed, PunaError
from puna.protocol import Adapter, Placement

_ABOUT_MEMORY = re.compile(r"out of memory|insufficient memory|(failed|unable) to allocate")


class Model:
    """Loaded weights. Whatever is made from them must be closed before them."""

    def __init__(
        self, library: Library, files: tuple[str, ...], placement: Placement, *, empty: bool = False
    ) -> None:
        self.library = library
        self._call = library.call
        self._split = (C.c_float * 128)(*placement.tensor_split)
        params = self._call.llama_model_default_params()
        params.n_gpu_layers = placement.gpu_layers
        params.main_gpu = placement.main_gpu
        params.split_mode = abi.LlamaSplitMode[placement.split_mode.upper()]
        params.load_mode = _load_mode(placement)
        params.no_alloc = empty
        if placement.tensor_split:
            params.tensor_split = C.addressof(self._split)
        library.complaints()
        paths = (C.c_char_p * len(files))(*(file.encode() for file in files))
        self._pointer: int | None = (
            self._call.llama_model_load_from_file(paths[0], params)
            if len(files) == 1
            else self._call.llama_model_load_from_splits(C.addressof(paths), len(files), params)
        )
        if not self._pointer:
            raise cannot_load(files[0], library.complaints())
        self.vocabulary = Vocabulary(library, self._pointer)
        self._adapters: list[int] = []

    @property
    def pointer(self) -> int:
        """The library's own handle."""
        if self._pointer is None:
            raise EngineFailed("The model is already closed.")
        return self._pointer

    def close(self) -> None:
        """Free the adapters and the weights."""
        if self._pointer is not None:
            for adapter in self._adapters:
                self._call.llama_adapter_lora_free(adapter)
            self._adapters.clear()
            self._call.llama_model_free(self._pointer)
            self._pointer = None

    def adapter(self, file: Adapter) -> int:
        """Load a LoRA adapter; it lives as long as the model."""
        pointer = self._call.llama_adapter_lora_init(self.pointer, file.path.encode())
        if not pointer:
            raise BadModelFile(
                f"The adapter {file.path} does not fit the model.",
                "It must be a LoRA in GGUF, made for this very architecture and shape.",
            )
        self._adapters.append(pointer)
        return pointer

    @property
    def context_train(self) -> int:
        """The longest context that the model was trained on."""
        return self._call.llama_model_n_ctx_train(self.pointer)

    @property
    def width(self) -> int:
        """The length of the model's output vectors."""
        return self._call.llama_model_n_embd_out(self.pointer)

    @property
    def window(self) -> int:
        """The size of the sliding attention window, or 0."""
        return self._call.llama_model_n_swa(self.pointer)

    @property
    def recurrent(self) -> bool:
        """Whether the cache is a state that cannot be cut back (Mamba, RWKV, and hybrids)."""
        return not self.has_cells or self._call.llama_model_is_hybrid(self.pointer)

    @property
    def has_cells(self) -> bool:
        """Whether a token takes cells of the cache, as where any layer has attention."""
        return not self._call.llama_model_is_recurrent(self.pointer)

    @property
    def encodes(self) -> bool:
        """Whether an encoder comes before the model itself, as in T5."""
        return self._call.llama_model_has_encoder(self.pointer)

    @cached_property
    def pooling(self) -> abi.LlamaPoolingType | None:
        """How the file says that outputs become one vector; None where it is not made for that."""
        declared = self.metadata(f"{self.architecture}.pooling_type")
        if declared is None:
            is_classifier = self._call.llama_model_cls_label(self.pointer, 0) is not None
            return abi.LlamaPoolingType.RANK if is_classifier else None
        try:
            pooling = abi.LlamaPoolingType(int(declared))
        except ValueError:
            raise BadModelFile(f"The model's file has an unknown pooling: {declared}.") from None
        return pooling if pooling > abi.LlamaPoolingType.NONE else None

    @property
    def causal(self) -> bool:
        """Whether the file lets each token see only those before it."""
        return self.metadata(f"{self.architecture}.attention.causal") != "false"

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return self._call.llama_model_size(self.pointer)

    @property
    def parameters(self) -> int:
        """Count of all weights."""
        return self._call.llama_model_n_params(self.pointer)

    @cached_property
    def architecture(self) -> str:
        """The architecture's name as the file gives it."""
        return self.metadata("general.architecture") or "unknown"

    @cached_property
    def description(self) -> str:
        """The library's short description: architecture, size, quantization."""
        return self._text(
            lambda buffer, room: self._call.llama_model_desc(self.pointer, buffer, room)
        )

    @cached_property
    def template(self) -> str:
        """The chat template in the file, or an empty text."""
        return self._template(None)

    @cached_property
    def rerank_template(self) -> str:
        """How the file wants a query and a document put together, or an empty text."""
        return self._template(b"rerank")

    def _template(self, name: bytes | None) -> str:
        found: int | bytes | None = self._call.llama_model_chat_template(self.pointer, name)
        return found.decode("utf-8", "replace") if isinstance(found, bytes) else ""

    def metadata(self, key: str) -> str | None:
        """A value of the file's header, as text."""
        name = key.encode()
        value = self._text(
            lambda buffer, room: self._call.llama_model_meta_val_str(
                self.pointer, name, buffer, room
            )
        )
        return value or None

    @staticmethod
    def _text(read: Callable[[C.Array[C.c_char], int], int]) -> str:
        room = 256
        buffer = C.create_string_buffer(room)
        length = read(buffer, room)
        if length >= room:
            room = length + 1
            buffer = C.create_string_buffer(room)
            length = read(buffer, room)
        return buffer.raw[: max(length, 0)].decode("utf-8", "replace")


def cannot_load(file: str, complaints: list[str]) -> PunaError:
    """The error for a file that was not loaded, by what the library complained of."""
    reason = complaints[0] if complaints else "it does not say why"
    for line in complaints:
        if _ABOUT_MEMORY.search(line):
            return LoadFailed(
                f"Memory ran out while {file} was loaded: {line}.",
                "Ask for a shorter context or for fewer layers on GPUs, or free some memory.",
            )
    return BadModelFile(
        f"The engine cannot load {file}: {reason}.", "The file may be broken, or too new."
    )


def _load_mode(placement: Placement) -> abi.LlamaLoadMode:
    match placement.mmap, placement.mlock:
        case True, True:
            return abi.LlamaLoadMode.MMAP_MLOCK
        case True, False:
            return abi.LlamaLoadMode.MMAP
        case False, True:
            return abi.LlamaLoadMode.MLOCK
        case _:
            return abi.LlamaLoadMode.NONE
