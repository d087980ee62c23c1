"""Importance matrices of llama.cpp's, in GGUF: how much each column of a weight matters."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from puna.errors import BadModelFile
from puna.models.gguf import read
from puna.models.gguf.header import Tensor

Floats = npt.NDArray[np.float32]
_SUMS, _COUNTS = ".in_sum2", ".counts"


def importance(path: Path) -> dict[str, Floats]:
    """The mean of the squares that each column was multiplied with, by weight.

    A file has their sums and counts, several of each where a weight belongs to several experts.
    """
    tensors = {tensor.name: tensor for tensor in read(path).tensors}
    found: dict[str, Floats] = {}
    for name, tensor in tensors.items():
        if not name.endswith(_SUMS):
            continue
        weight = name.removesuffix(_SUMS)
        sums = _numbers(path, tensor)
        counts = _numbers(path, tensors.get(weight + _COUNTS))
        if not counts.size or sums.size % counts.size:
            raise BadModelFile(f"{path.name} has {sums.size} sums and {counts.size} counts.")
        means = np.ones((counts.size, sums.size // counts.size), np.float32)
        # An expert that was never asked has all columns of one worth.
        asked = counts > 0
        means[asked] = sums.reshape(means.shape)[asked] / counts[asked, None]
        found[weight] = means.ravel()
    if not found:
        raise BadModelFile(
            f"{path.name} is no importance matrix.", "It must be one of llama-imatrix's, in GGUF."
        )
    return found


def _numbers(path: Path, tensor: Tensor | None) -> Floats:
    if tensor is None or tensor.type.name != "F32":
        raise BadModelFile(f"{path.name} is no importance matrix: a sum has no count.")
    return np.fromfile(path, "<f4", tensor.elements, offset=tensor.offset)
