"""How fast memory can be read: what limits decoding, since each token reads all weights.

Usage: python benchmarks/bandwidth.py [THREADS]

As many threads as decode each look for a byte that is not there in a piece of their own, with the C
library's `memchr`, which reads and compares as wide as the processor can. Writes nothing.
"""

import ctypes
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil

SIZE = 1 << 30
ROUNDS = 7


class Memory:
    """Memory that is much larger than any cache, read again and again."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or psutil.cpu_count(logical=False) or 1
        self._bytes = np.ones(SIZE, np.uint8)
        self._find = ctypes.CDLL(None).memchr
        self._find.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
        self._find.restype = ctypes.c_void_p

    def read(self) -> float:
        """Bytes a second, of one time through all of it."""
        share = SIZE // self._threads
        begin = self._bytes.ctypes.data
        with ThreadPoolExecutor(self._threads) as pool:
            began = time.perf_counter()
            found = list(
                pool.map(lambda one: self._look(begin + one * share, share), range(self._threads))
            )
            seconds = time.perf_counter() - began
        assert not any(found)
        return share * self._threads / seconds

    def _look(self, at: int, length: int) -> int | None:
        return self._find(at, 0, length)


if __name__ == "__main__":
    memory = Memory(*map(int, sys.argv[1:2]))
    speeds = [memory.read() / 1e9 for _ in range(ROUNDS)]
    print(f"{sorted(speeds)[ROUNDS // 2]:.1f} GB/s, {min(speeds):.1f} to {max(speeds):.1f}")
