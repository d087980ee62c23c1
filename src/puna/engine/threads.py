"""The threads that compute a context's steps, kept from one step to the next.

Left to itself ggml makes them anew for each step, which costs a twentieth of a small model's.
Between steps they sleep, so that the server and its clients have the cores meanwhile.
"""

import ctypes as C

from puna.engine.libllama import Library
from puna.errors import EngineFailed


class Threads:
    """A context's threads; to be closed after it, which may use them till then."""

    def __init__(self, library: Library, context: int, count: int) -> None:
        self._call = library.call
        self._pointer: int | None = None
        if not library.keeps_threads:
            return
        wanted = self._call.ggml_threadpool_params_default(count)
        wanted.poll = 0
        self._pointer = self._call.ggml_threadpool_new(C.addressof(wanted))
        if not self._pointer:
            raise EngineFailed("The engine could not start its threads.")
        self._call.llama_attach_threadpool(context, self._pointer, None)

    def close(self) -> None:
        """End the threads."""
        if self._pointer is not None:
            self._call.ggml_threadpool_free(self._pointer)
            self._pointer = None
