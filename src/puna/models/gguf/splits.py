"""A model in several files: each is a GGUF file that says which part of how many it is."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from puna.errors import BadModelFile
from puna.models.gguf.header import Header, Tensor, read_file

_COUNT, _NUMBER, _TENSORS = "split.count", "split.no", "split.tensors.count"
_NAME = re.compile(r"(?P<prefix>.+)-\d{5}-of-(?P<count>\d{5})\.gguf", re.DOTALL)


def read(*paths: Path) -> Header:
    """The header of the model that these files are, all of them, in any order."""
    headers = [read_file(path) for path in paths]
    counts = {_whole(header, _COUNT, 1) or 1 for header in headers}
    if counts != {len(headers)}:
        raise BadModelFile(
            f"{paths[0].name} is one of {max(counts)} parts, and {len(headers)} came.",
            "All parts of one model are needed, each once.",
        )
    return headers[0] if len(headers) == 1 else _joined(headers)


def siblings(path: Path) -> tuple[Path, ...]:
    """All files of the set that this file belongs to, in order; itself alone when it is whole."""
    count = _whole(read_file(path), _COUNT, 1)
    if count <= 1:
        return (path,)
    named = _NAME.fullmatch(path.name)
    if named is None or int(named["count"]) != count:
        raise BadModelFile(
            f"{path.name} is one of {count} parts, and is not named as such.",
            f"Name the parts NAME-00001-of-{count:05}.gguf and so on, or give each of them.",
        )
    parts = tuple(
        path.with_name(f"{named['prefix']}-{place:05}-of-{count:05}.gguf")
        for place in range(1, count + 1)
    )
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise BadModelFile(
            f"Of the {count} parts that {path.name} belongs to, {missing[0]} is missing.",
            "All parts must lie in one folder.",
        )
    return parts


def _joined(headers: Sequence[Header]) -> Header:
    ordered = sorted(headers, key=lambda header: _whole(header, _NUMBER, -1))
    first = ordered[0]
    for place, header in enumerate(ordered):
        if _whole(header, _NUMBER, -1) != place:
            raise BadModelFile(
                f"Part {place + 1} of {len(ordered)} is missing or there twice.",
                "All parts of one model are needed, each once.",
            )
    tensors = tuple(
        msgspec.structs.replace(tensor, part=place)
        for place, header in enumerate(ordered)
        for tensor in header.tensors
    )
    _check_together(first, tensors)
    return msgspec.structs.replace(
        first,
        tensors=tensors,
        parts=tuple(header.parts[0] for header in ordered),
        size=sum(header.size for header in ordered),
    )


def _check_together(first: Header, tensors: Sequence[Tensor]) -> None:
    mend = "The parts belong to different models, or one is broken."
    name = first.parts[0].name
    expected = _whole(first, _TENSORS, len(tensors))
    if expected != len(tensors):
        raise BadModelFile(
            f"The parts of {name} have {len(tensors)} tensors, {expected} should be there.", mend
        )
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise BadModelFile(f"The parts of {name} have two tensors of one name.", mend)


def _whole(header: Header, key: str, default: int) -> int:
    value = header.metadata.get(key, default)
    return value if type(value) is int else default
