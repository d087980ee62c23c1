"""The one thing in Cria's weights that is not random at the start: heads that look back.

A transformer copies with two heads: one tells each place what stood before it, the other looks for
a place whose forerunner is the present token, and says what stood there. Training finds them by
itself, late. Here they are given as a start, roughly, and training goes on from there.
"""

import torch
from model import Cria
from torch import Tensor

CONSTANT = 0
NAMES = slice(1, 96)
BEFORE = (slice(96, 144), slice(144, 192))
FAST_PAIRS = range(10)
SLOW_PAIRS = range(14, 32)
SHARPNESS = 7.5
MATCH = 3.5
SAY = 35.0
EAGERNESS = 0.16


@torch.no_grad()
def prepare(model: Cria, seed: int) -> None:
    """Give the first blocks their heads that look back."""
    random = torch.Generator().manual_seed(seed)
    spread = float(model.embedding.weight.std())
    model.embedding.weight[:, BEFORE[0].start :] = 0
    model.embedding.weight[:, CONSTANT] = spread * model.shape.width**0.5
    model.norm.weight.fill_(EAGERNESS / spread)
    names = NAMES.stop - NAMES.start
    code = BEFORE[0].stop - BEFORE[0].start
    codes = torch.linalg.qr(torch.randn(names, code, generator=random))[0].T
    for distance in (1, 2):
        _tell_what_was(model, distance, codes, spread)
    for block in (1, 2):
        _say_what_followed(model, block, codes, SAY * spread, random)


def _head(model: Cria, block: int, head: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The rows (of the output: columns) of one head, emptied."""
    part, size = model.blocks[block], model.shape.head
    rows = slice(head * size, (head + 1) * size)
    weights = (
        part.query.weight[rows], part.key.weight[rows], part.value.weight[rows],
        part.output.weight[:, rows],
    )  # fmt: skip
    for weight in weights:
        weight.zero_()
    return weights


def _tell_what_was(model: Cria, distance: int, codes: Tensor, spread: float) -> None:
    """Attend to the token at a fixed distance, and write down its code."""
    query, key, value, output = _head(model, 0, distance - 1)
    half = model.shape.head // 2
    constant = (model.shape.width / 2) ** 0.5
    strength = (SHARPNESS * model.shape.head**0.5) ** 0.5 / constant
    for pair in FAST_PAIRS:
        angle = torch.tensor(-distance * model.shape.rope_base ** (-pair / half))
        query[pair, CONSTANT] = strength * angle.cos()
        query[pair + half, CONSTANT] = strength * angle.sin()
        key[pair, CONSTANT] = strength
    code = codes.shape[0]
    value[:code, NAMES] = codes
    output[BEFORE[distance - 1], :code] = torch.eye(code) * spread


def _say_what_followed(
    model: Cria, block: int, codes: Tensor, strength: float, random: torch.Generator
) -> None:
    """Look for places with the same past, and say the token that stands there."""
    query, key, value, output = _head(model, block, 0)
    half = model.shape.head // 2
    rows = [*SLOW_PAIRS, *(pair + half for pair in SLOW_PAIRS)]
    near = len(rows) * 6 // 10
    for number, row in enumerate(rows):
        if number < near:
            query[row, NAMES] = MATCH * codes[number]
            key[row, BEFORE[0].start + number] = MATCH
        else:
            query[row, BEFORE[0].start + number] = MATCH
            key[row, BEFORE[1].start + number] = MATCH
    names = NAMES.stop - NAMES.start
    said = torch.linalg.qr(torch.randn(names, model.shape.head, generator=random))[0].T
    value[:, NAMES] = said
    output[NAMES, :] = strength * said.T
