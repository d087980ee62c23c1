"""How long prompts and outputs are: fixed, or drawn from a distribution."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from puna.errors import BadSetting

_NUMBER = r"\d+(?:\.\d+)?"
_SPAN = r"(\d+)\.\.(\d+)"
_FORMS = "a length is written as 64, 32..512, normal:256,64 or lognormal:256,0.5@16..1024"


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths in tokens: `draw` takes the next, `middle` is the usual one."""

    text: str
    middle: int
    draw: Callable[[Random], int]

    @property
    def is_fixed(self) -> bool:
        """Whether all are the same."""
        return self.text.isdecimal()


def read_lengths(text: str) -> Lengths:
    """The lengths that a text says."""
    text = text.replace(" ", "")
    if text.isdecimal() and int(text):
        length = int(text)
        return Lengths(text, length, lambda _: length)
    if (found := re.fullmatch(_SPAN, text)) is not None:
        return _uniform(text, *_span(text, found[1], found[2]))
    shape = rf"(normal|lognormal):({_NUMBER}),({_NUMBER})(?:@{_SPAN})?"
    if (found := re.fullmatch(shape, text)) is not None:
        low, high = _span(text, found[4], found[5]) if found[4] else (1, 1 << 20)
        return _drawn(text, found[1], float(found[2]), float(found[3]), low, high)
    raise BadSetting(f"{text!r} is no length: {_FORMS}.")


def _uniform(text: str, low: int, high: int) -> Lengths:
    return Lengths(text, (low + high) // 2, lambda random: random.randint(low, high))


def _drawn(text: str, shape: str, middle: float, deviation: float, low: int, high: int) -> Lengths:
    def draw(random: Random) -> int:
        if shape == "normal":
            value = random.normalvariate(middle, deviation)
        else:
            value = middle * random.lognormvariate(0, deviation)
        return bounded(value)

    def bounded(value: float) -> int:
        return max(low, min(high, round(value)))

    return Lengths(text, bounded(middle), draw)


def _span(text: str, low: str, high: str) -> tuple[int, int]:
    if not 1 <= int(low) <= int(high):
        raise BadSetting(f"{text!r} is no length: it goes from less to more, and from 1.")
    return int(low), int(high)
