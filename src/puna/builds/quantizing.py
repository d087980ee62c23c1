"""A model quantized: by a native engine, in a process of its own, with its progress."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from puna.builds.child import lines_of
from puna.builds.choosing import Choice, libraries
from puna.builds.shelf import Shelf
from puna.errors import ReportedError
from puna.models.quantization import file_type
from puna.models.quantizing import no_quantizer

# The largest tensors of the largest models take minutes each.
SILENCE = 1800.0


def quantize(
    source: Sequence[Path],
    target: Path,
    kind: str,
    matrix: Path | None,
    *,
    shelf: Shelf,
    choice: Choice,
) -> Iterator[str]:
    """Store a model's weights in another way (`Q4_K_M`), naming each tensor that is done.

    The engine that runs does it, else any that has proved itself.
    """
    proved = [one for one in shelf.all() if one.passed]
    engine = choice.path or next((libraries(shelf, one) for one in proved), None)
    if engine is None:
        return no_quantizer(source, target, kind, matrix)
    return quantized_by(engine, source, target, kind, matrix)


def quantized_by(
    engine: Path, source: Sequence[Path], target: Path, kind: str, matrix: Path | None = None
) -> Iterator[str]:
    """The same, by this very engine."""
    # A server's start does not wait for these.
    from puna.engine.quantizing import Refusal, Told, Work

    with tempfile.TemporaryDirectory() as scratch:
        found = ""
        if matrix is not None:
            import numpy as np

            from puna.builds.importance import importance

            found = str(Path(scratch) / "importance.npz")
            np.savez(found, allow_pickle=False, **importance(matrix))
        work = Work(str(source[0]), str(target), file_type(kind), found)
        text = msgspec.json.encode(work).decode()
        for line in lines_of("puna.engine.quantizing", text, engine, SILENCE):
            told = msgspec.json.decode(line, type=Told)
            if isinstance(told, Refusal):
                raise ReportedError(told.error)
            yield told.tensor
