"""GGUF headers: what a model file says of itself, read without trusting a byte of it.

`read(path, …)` gives the `Header` of a model in one file or in several split ones, given in any
order. `siblings(path)` finds the other parts of a set on disk by GGUF's naming of splits.
Whatever is wrong with a file is a `BadModelFile`.

Arrays stay in the file, which stays mapped as long as one of them is held: `len(array)` is free,
and going through it reads it. Nothing here knows what any key means; see `models/facts.py`.
"""

from puna.models.gguf.arrays import Array, Scalar, Value
from puna.models.gguf.header import Header, Tensor
from puna.models.gguf.kinds import Kind, TensorType
from puna.models.gguf.splits import read, siblings

__all__ = [
    "Array",
    "Header",
    "Kind",
    "Scalar",
    "Tensor",
    "TensorType",
    "Value",
    "read",
    "siblings",
]
