"""Breaks GGUF files: bytes turned, ends cut off, lengths inflated, kinds changed."""

from pathlib import Path
from random import Random

from headers import Draft, Spot, whole

from puna.errors import BadModelFile
from puna.models.facts import facts
from puna.models.gguf import Array, Header, Value, read

DRAFTS = [whole(order, version) for order in ("little", "big") for version in (2, 3)]


def mutant(random: Random) -> bytes:
    """A header with up to four things wrong with it."""
    draft = random.choice(DRAFTS)
    data = bytearray(draft.data)
    for _ in range(random.randint(1, 4)):
        random.choice((_turn, _cut, _inflate, _rekind))(random, draft, data)
    return bytes(data)


def read_to_the_end(path: Path) -> Header | None:
    """Reads all that there is in a file; None when it is refused, and the refusal is a sentence."""
    header = _read(path)
    if isinstance(header, BadModelFile):
        assert header.message.endswith("."), header.message
        assert len(header.message) < 1000
        return None
    for value in header.metadata.values():
        _go_through(value)
    assert all(tensor.offset + tensor.size <= header.size for tensor in header.tensors)
    return header


def _read(path: Path) -> Header | BadModelFile:
    try:
        header = read(path)
        facts(header)
    except BadModelFile as error:
        return error
    return header


def _go_through(value: Value) -> None:
    if isinstance(value, Array):
        count = 0
        for item in value:
            _go_through(item)
            count += 1
        assert count == len(value)


def _turn(random: Random, draft: Draft, data: bytearray) -> None:
    if data:
        data[random.randrange(len(data))] = random.choice(
            (0, 1, 9, 127, 255, random.randrange(256))
        )


def _cut(random: Random, draft: Draft, data: bytearray) -> None:
    if random.random() < 0.3:
        del data[random.randrange(len(data) + 1) :]


def _inflate(random: Random, draft: Draft, data: bytearray) -> None:
    spot = random.choice([spot for spot in draft.spots if spot.what != "kind"])
    close = len(data) - spot.at + random.randint(-9, 9)
    _put(draft, data, spot, random.choice((2**63, 2**64 - 1, 2**32, 2**31 - 1, 2**20, 0, close)))


def _rekind(random: Random, draft: Draft, data: bytearray) -> None:
    spot = random.choice([spot for spot in draft.spots if spot.what == "kind"])
    _put(draft, data, spot, random.choice((*range(14), 39, 2**31, 2**32 - 1)))


def _put(draft: Draft, data: bytearray, spot: Spot, number: int) -> None:
    if spot.at + spot.size <= len(data):
        limited = number % (1 << (8 * spot.size))
        data[spot.at : spot.at + spot.size] = limited.to_bytes(spot.size, draft.order)
