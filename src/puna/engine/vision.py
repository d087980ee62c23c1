"""The projector: the part of a model that turns images into vectors in the place of tokens.

Reading an image (decoding, resizing, counting its cells) may be done on any thread; encoding has
a thread of its own. What was encoded is kept for the conversation's next turn.
"""

import ctypes as C
import hashlib
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from puna.engine import abi, images
from puna.engine.context import Floats
from puna.engine.layout import FLASH, cores
from puna.engine.model import Model
from puna.engine.pictures import Picture, Places, Woven
from puna.engine.shelf import Shelf
from puna.errors import BadModelFile, BadRequest, EngineFailed, MissingCapability
from puna.protocol import Placement

# What is kept for later, at most: encoded images, read ones by their files' bytes, and the pixels
# of images that wait for their encoding.
KEPT_VECTORS = 256 << 20
KEPT_FILES = 64 << 20
KEPT_PIXELS = 8

# What these make of an image depends on where in the prompt it stands, or as which one.
_UNSUITED = frozenset(("deepseek4v", "hunyuanvl"))
_KIND_KEYS = (b"clip.projector_type", b"clip.vision.projector_type")

_TEXT = abi.MtmdInputChunkType.TEXT
_IMAGE = abi.MtmdInputChunkType.IMAGE


class Projector:
    """A loaded projector, over the weights of the model that it belongs to."""

    def __init__(self, model: Model, path: str, placement: Placement) -> None:
        self._model = model
        self._call = model.library.call
        self._batch = placement.step
        if (kind := self._kind(path)) in _UNSUITED:
            raise MissingCapability(f"Projectors of the kind {kind} cannot run yet.")
        params: abi.MtmdContextParams = self._call.mtmd_context_params_default()
        params.use_gpu = placement.gpu_layers != 0
        params.print_timings = False
        params.n_threads = placement.threads or cores()
        params.flash_attn_type = FLASH[placement.flash_attention]
        self._pointer: int | None = self._call.mtmd_init_from_file(
            path.encode(), model.pointer, params
        )
        if not self._pointer:
            raise BadModelFile(
                f"The engine cannot load the projector {path}.",
                "It must be made for this very model; the log above this line says more.",
            )
        self._worker = ThreadPoolExecutor(1, "projector")
        self._lock = threading.Lock()
        self._vectors: Shelf[Floats] = Shelf(KEPT_VECTORS)
        self._read: Shelf[Woven] = Shelf(KEPT_FILES)
        self._pixels: Shelf[int] = Shelf(KEPT_PIXELS, self._call.mtmd_input_chunks_free)
        if not self._call.mtmd_support_vision(self._pointer):
            self.close()
            raise MissingCapability(f"The projector {path} is not for images.")
        self.causal = not self._call.mtmd_decode_use_non_causal(self._pointer, None)
        self._rows = 4 if self._call.mtmd_decode_use_mrope(self._pointer) else 1
        self.encoded = 0

    def _kind(self, path: str) -> str:
        file = self._call.gguf_init_from_file(path.encode(), abi.GgufInitParams(True, None))
        found = b""
        for key in _KIND_KEYS if file else ():
            at = self._call.gguf_find_key(file, key)
            if at >= 0 and self._call.gguf_get_kv_type(file, at) == abi.GgufType.STRING:
                found = found or self._call.gguf_get_val_str(file, at) or b""
        if file:
            self._call.gguf_free(file)
        return found.decode("utf-8", "replace")

    @property
    def pointer(self) -> int:
        """The library's own handle."""
        if self._pointer is None:
            raise EngineFailed("The projector is already closed.")
        return self._pointer

    def close(self) -> None:
        """Wait for what is just being encoded, and free all that is kept, and the projector."""
        self._worker.shutdown(cancel_futures=True)
        with self._lock:
            self._vectors.clear()
            self._pixels.clear()
            if self._pointer is not None:
                self._call.mtmd_free(self._pointer)
                self._pointer = None

    # On any thread

    def read(self, data: bytes) -> Woven:
        """An image as the model wants it: its pictures, and the tokens around and between them."""
        key = hashlib.sha256(data).digest()
        with self._lock:
            known = self._read.get(key)
        if known is not None:
            return known
        chunks = self._prepare(data)
        try:
            woven = tuple(self._woven(chunks, key, data))
        except MissingCapability:
            self._call.mtmd_input_chunks_free(chunks)
            raise
        with self._lock:
            self._read.put(key, woven, len(data))
            self._pixels.put(key, chunks, 1)
        return woven

    def encode(self, picture: Picture) -> Future[Floats]:
        """Have what the model sees of a picture; to cancel it helps until its encoding begins."""
        with self._lock:
            known = self._vectors.get(picture.head)
        if known is None:
            return self._worker.submit(self.vectors, picture)
        done: Future[Floats] = Future()
        done.set_result(known)
        return done

    # On the projector's thread

    def vectors(self, picture: Picture) -> Floats:
        """What the model sees of a picture; encoded now, unless it is still known."""
        key = hashlib.sha256(picture.image).digest()
        with self._lock:
            known = self._vectors.get(picture.head)
            # Nobody else may free what is worked with, nor wait for it.
            chunks = self._pixels.take(key) if known is None else None
        if known is not None:
            return known
        if chunks is None:
            chunks = self._prepare(picture.image)
        try:
            vectors = self._encoded(self._call.mtmd_input_chunks_get(chunks, picture.part), picture)
        finally:
            with self._lock:
                self._pixels.put(key, chunks, 1)
        with self._lock:
            self._vectors.put(picture.head, vectors, vectors.nbytes)
        return vectors

    def _encoded(self, chunk: int | None, picture: Picture) -> Floats:
        if self._call.mtmd_encode_chunk(self.pointer, chunk):
            raise EngineFailed("The engine could not encode an image.")
        self.encoded += 1
        width: int = self._call.llama_model_n_embd_inp(self._model.pointer)
        address = self._call.mtmd_get_output_embd(self.pointer)
        if not address:
            raise EngineFailed("The engine has no output where an image was encoded.")
        flat = (C.c_float * (picture.cells * width)).from_address(address)
        return np.array(flat, np.float32).reshape(picture.cells, width)

    # What the library makes of an image

    def _prepare(self, data: bytes) -> int:
        """The library's chunks of an image; whoever calls has to free them."""
        with self._bitmap(data) as bitmap:
            bitmaps = C.c_void_p(bitmap)
            marker: bytes = self._call.mtmd_default_marker() or b""
            text = abi.MtmdInputText(marker, len(marker), False, True)
            chunks: int = self._call.mtmd_input_chunks_init() or 0
            if self._call.mtmd_tokenize(
                self.pointer, chunks, C.addressof(text), C.addressof(bitmaps), 1
            ):
                self._call.mtmd_input_chunks_free(chunks)
                raise BadRequest("The engine can make nothing of an image.")
            return chunks

    @contextmanager
    def _bitmap(self, data: bytes) -> Generator[int]:
        size = images.check(data)
        option = self._call.mtmd_helper_init_opt_default()
        made: abi.MtmdHelperBitmapWrapper = self._call.mtmd_helper_bitmap_init_from_buf(
            self.pointer, data, len(data), False, option
        )
        if not made.bitmap or made.video_ctx:
            raise BadRequest("An image cannot be decoded: it is broken or cut off.")
        try:
            found = self._call.mtmd_bitmap_get_nx, self._call.mtmd_bitmap_get_ny
            if [side(made.bitmap) for side in found] != [size.width, size.height]:
                raise BadRequest("An image has another size than it says.")
            yield made.bitmap
        finally:
            self._call.mtmd_bitmap_free(made.bitmap)

    def _woven(self, chunks: int, key: bytes, data: bytes) -> Iterator[int | Picture]:
        for part in range(self._call.mtmd_input_chunks_size(chunks)):
            chunk = self._call.mtmd_input_chunks_get(chunks, part)
            kind = self._call.mtmd_input_chunk_get_type(chunk)
            if kind == _TEXT:
                count = C.c_size_t()
                address = self._call.mtmd_input_chunk_get_tokens_text(chunk, C.addressof(count))
                yield from (C.c_int32 * count.value).from_address(address or 0)
            elif kind == _IMAGE:
                yield self._picture(chunk, part, key, data)

    def _picture(self, chunk: int | None, part: int, key: bytes, data: bytes) -> Picture:
        cells: int = self._call.mtmd_input_chunk_get_n_tokens(chunk)
        if not self.causal and cells > self._batch:
            raise MissingCapability(
                f"An image of this model takes {cells} tokens in one step, "
                f"but a step is loaded with room for {self._batch}.",
                f"Load the model with a batch (num_batch) of {cells} or more.",
            )
        digest = hashlib.sha256(key + part.to_bytes(4, "big")).digest()
        places = self._positions(chunk, cells, 0)
        return Picture(
            head=-2 * (1 + int.from_bytes(digest[:7], "big")),
            image=data,
            part=part,
            cells=cells,
            length=self._call.mtmd_input_chunk_get_n_pos(chunk),
            places=places,
            moves=self._positions(chunk, cells, 1) - places,
        )

    def _positions(self, chunk: int | None, cells: int, start: int) -> Places:
        if self._rows == 1:
            return np.arange(start, start + cells, dtype=np.int32)[None]
        tokens = self._call.mtmd_input_chunk_get_tokens_image(chunk)
        found: list[abi.MtmdDecoderPos] = [
            self._call.mtmd_image_tokens_get_decoder_pos(tokens, start, index)
            for index in range(cells)
        ]
        return np.array([[each.t, each.y, each.x, each.z] for each in found], np.int32).T
