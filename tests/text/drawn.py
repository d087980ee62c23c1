"""Texts drawn by chance from a grammar, in the place of a model."""

import random
from collections.abc import Sequence

import llguidance
import llguidance.numpy
import numpy as np

from puna.jobs import Tool
from puna.text.markup.format import Assignments, Elements, Markup, NamedCall, Parameters

LONGEST = 2000
_PRINTABLE = frozenset([*b"\n", *range(32, 127)])
_BYTES = llguidance.LLTokenizer("byte")


def closings_of(markup: Markup, tools: Sequence[Tool]) -> list[str]:
    """What closes anything in an answer: brackets, and literals of the markup."""
    closings = [*'"}]', '"}', markup.think.close if markup.think else ""]
    if calls := markup.calls:
        closings += [calls.close, calls.said.close if calls.said else ""]
        match calls.call:
            case NamedCall(arguments=Parameters(value_close=close) | Assignments(quote=close)):
                closings.append(close)
            case NamedCall(arguments=Elements(leave=leave, close=close)):
                keys = [key for tool in tools for key in tool.parameters["properties"]]
                closings += [f"{leave}{key}{close}" for key in keys]
            case _:
                pass
    return [closing for closing in closings if closing]


def drawn(grammar: str, seed: int, helped: Sequence[str]) -> str | None:
    """A text of the grammar; none where it has become too long.

    What is drawn blindly hardly ever closes, so these texts are written a little more often.
    """
    chance = random.Random(seed)
    matcher = llguidance.LLMatcher(_BYTES, grammar)
    assert not matcher.get_error(), matcher.get_error()
    mask = llguidance.numpy.allocate_token_bitmask(1, _BYTES.vocab_size)
    written = bytearray()
    while not matcher.is_stopped() and not (matcher.is_accepting() and chance.random() < 0.3):
        if len(written) > LONGEST:
            return None
        text = chance.choice(helped).encode() if chance.random() < 0.3 else b""
        if not text or matcher.validate_tokens(list(text)) < len(text):
            llguidance.numpy.fill_next_token_bitmask(matcher, mask)
            bits = np.unpackbits(mask.view(np.uint8), count=256, bitorder="little")
            allowed = np.flatnonzero(bits).tolist()
            # What no keyboard has is only written where it must be.
            text = bytes([chance.choice([one for one in allowed if one in _PRINTABLE] or allowed)])
        matcher.consume_tokens(list(text))
        written += text
    return written.decode()
