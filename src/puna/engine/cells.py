"""How many cells of the KV cache are taken, counted exactly, without asking the library.

In a pool, sequences that share a prefix share its cells, and a cell is free again when the last of
them lets go. In streams each slot has its own cells.
"""


class Cells:
    """The cells of a cache, and which slots hold them."""

    def __init__(self, total: int, *, pooled: bool) -> None:
        self.total = total
        self.pooled = pooled
        self._owners: list[int] = []
        self._spare: list[int] = []
        self._held: dict[int, list[int]] = {}
        self.used = 0

    @property
    def free(self) -> int:
        """How many more tokens the pool can take."""
        return self.total - self.used

    def length(self, slot: int) -> int:
        """How many tokens a slot holds."""
        return len(self._held.get(slot, ()))

    def alone(self, slot: int, length: int = 0) -> int:
        """How many cells would be free if this slot kept only its first ones."""
        return sum(self._owners[cell] == 1 for cell in self._held.get(slot, [])[length:])

    def grow(self, slot: int, count: int) -> None:
        """The slot takes `count` more cells."""
        held = self._held.setdefault(slot, [])
        for _ in range(count):
            if self._spare:
                cell = self._spare.pop()
                self._owners[cell] = 1
            else:
                cell = len(self._owners)
                self._owners.append(1)
            held.append(cell)
        self.used += count

    def cut(self, slot: int, length: int) -> None:
        """The slot keeps only its first cells."""
        held = self._held.get(slot, [])
        for cell in held[length:]:
            self._owners[cell] -= 1
            if not self._owners[cell]:
                self._spare.append(cell)
                self.used -= 1
        del held[length:]

    def share(self, source: int, target: int, length: int) -> None:
        """The empty target gets the source's first cells: shared in a pool, else of its own."""
        if not self.pooled:
            self.grow(target, length)
            return
        cells = self._held.get(source, [])[:length]
        for cell in cells:
            self._owners[cell] += 1
        self._held[target] = cells
