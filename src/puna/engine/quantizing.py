"""A model's weights stored another way, by the library's own quantizer.

Usage: python -m puna.engine.quantizing WORK     the work as JSON

A line of JSON, a `Step`, for each tensor; a `Refusal` at the end, where it failed. The embedded
library has no quantizer.
"""

import ctypes as C
import re
import sys

import msgspec
import numpy as np

from puna.engine import abi
from puna.engine.libllama import Library
from puna.engine.origin import verified
from puna.errors import EngineFailed, ErrorReport, MissingCapability, PunaError

_TENSOR = re.compile(r"\[ *(\d+)/ *(\d+)\] +(\S+)")


class Work(msgspec.Struct, frozen=True):
    """Store this model in that file; `type` is the library's number for a way to store it.

    `importance` maps tensors to how much each of their columns matters.
    """

    source: str
    target: str
    type: int
    importance: str = ""
    threads: int = 0


class Step(msgspec.Struct, frozen=True, tag="step"):
    """So many tensors of so many are done."""

    done: int
    total: int
    tensor: str


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """It failed."""

    error: ErrorReport


Told = Step | Refusal


class _Importance:
    """The matrices of a file of numpy's, as the library wants them; they live as long as this."""

    def __init__(self, path: str) -> None:
        with np.load(path) as file:
            self._arrays = {
                name: np.ascontiguousarray(file[name], np.float32) for name in file.files
            }
        # The list ends with an entry without a name.
        self.entries = (abi.LlamaModelImatrixData * (len(self._arrays) + 1))(
            *(
                abi.LlamaModelImatrixData(name.encode(), array.ctypes.data, array.size)
                for name, array in self._arrays.items()
            )
        )


def quantize(library: Library, work: Work) -> None:
    """Do it; what the library logs of it tells how far it is."""
    if not library.quantizes:
        raise MissingCapability(
            "The embedded engine has no quantizer.",
            "`puna engine build` makes a native one, which has.",
        )
    params: abi.LlamaModelQuantizeParams = library.call.llama_model_quantize_default_params()
    params.ftype = work.type
    params.nthread = work.threads
    # What is quantized already is so again, at some loss; who asks for it knows.
    params.allow_requantize = True
    importance = _Importance(work.importance) if work.importance else None
    if importance is not None:
        params.imatrix = C.addressof(importance.entries)
    library.complaints()
    source, target = work.source.encode(), work.target.encode()
    if library.call.llama_model_quantize(source, target, C.addressof(params)):
        reason = "; ".join(library.complaints()) or "it does not say why"
        raise EngineFailed(f"The engine could not quantize the model: {reason}.")


def _heard(level: str, line: str) -> None:
    if found := _TENSOR.search(line):
        _tell(Step(int(found[1]), int(found[2]), found[3]))


def _tell(told: Told) -> None:
    print(msgspec.json.encode(told).decode(), flush=True)


if __name__ == "__main__":
    try:
        quantize(Library(verified(), _heard), msgspec.json.decode(sys.argv[1], type=Work))
    except PunaError as error:
        _tell(Refusal(error.report()))
