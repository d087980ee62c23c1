"""Memory in bytes by device: what runners may take in all, and what was last seen free."""

from collections.abc import Iterable, Mapping

Bytes = Mapping[str, int]


def total(parts: Iterable[Bytes]) -> dict[str, int]:
    """The sum of all, device by device."""
    sums: dict[str, int] = {}
    for part in parts:
        for device, size in part.items():
            sums[device] = sums.get(device, 0) + size
    return sums


class Memory:
    """What there is. A device that is not known has none."""

    def __init__(self) -> None:
        self.budget: dict[str, int] = {}
        self.free: dict[str, int] = {}

    def measure(self, budget: Bytes, free: Bytes) -> None:
        """What runners may take in all of each device, and what is free of it just now."""
        self.budget, self.free = dict(budget), dict(free)

    def fits(self, wanted: Bytes, taken: Bytes) -> bool:
        """Whether there is room for this beside what is taken."""
        return not self.short(wanted, taken)

    def short(self, wanted: Bytes, taken: Bytes) -> frozenset[str]:
        """The devices on which this does not fit beside what is taken."""
        return frozenset(
            device
            for device, size in wanted.items()
            if size > 0 and size + taken.get(device, 0) > self.budget.get(device, 0)
        )

    def offer(self, kept: Bytes, idle: Bytes, loading: Bytes, reserve: int) -> dict[str, int]:
        """What a new runner may take if all idle ones made way for it.

        Others may have taken of the free memory, and what is being loaded takes its own of it yet.
        """
        return {
            device: max(
                0,
                min(
                    budget - kept.get(device, 0),
                    self.free.get(device, budget)
                    + idle.get(device, 0)
                    - loading.get(device, 0)
                    - reserve,
                ),
            )
            for device, budget in self.budget.items()
        }

    def tight(self, reserve: int) -> frozenset[str]:
        """The devices of which less is free than is to be left to others."""
        return frozenset(device for device, free in self.free.items() if free < reserve)
