"""When requests come: as soon as a client is free, or at a rate, whether or not one is."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Clients:
    """So many clients, each of which asks again as soon as it was answered."""

    count: int


@dataclass(frozen=True, slots=True)
class Rate:
    """So many arrivals a second, each independent of all others."""

    each_second: float


Load = Clients | Rate


def poisson(rate: Rate, random: Random) -> Iterator[float]:
    """The seconds after the beginning at which requests come, for ever."""
    at = 0.0
    while True:
        at += random.expovariate(rate.each_second)
        yield at
