"""Whether guesses pay: what a token takes with guesses against without, in stretches of steps."""

# How many steps the slower way is tried for, and the faster one at first.
FEW = 4
# While one way stays the faster its stretches grow twice as long, up to so many steps.
MOST = 256
# How much earlier stretches count beside the last one, since a few steps say little.
MEMORY = 0.5
# Guesses pay if a token takes less than so much of what it takes without them.
WORTHWHILE = 0.9


class Guessing:
    """Steps with guesses and steps without, by turns; what was faster has the longer ones.

    While guesses may be made and none is, nothing is tried: such steps count for neither. The step
    behind one with guesses counts to them, since the library plans anew for it.
    """

    def __init__(self) -> None:
        self.on = False
        self.behind = False
        self._left = self._length = FEW
        self._pays: bool | None = None
        self._seconds = {True: 0.0, False: 0.0}
        self._tokens = {True: 0.0, False: 0.0}

    def record(self, seconds: float, tokens: int, *, guessed: bool) -> None:
        """A step of decodes took so long for so many tokens."""
        if (guessed or self.behind) == self.on:
            self._seconds[self.on] += seconds
            self._tokens[self.on] += tokens
        self.behind = guessed
        if guessed == self.on:
            self._left -= 1
        if self._left <= 0:
            self._turn()

    def _turn(self) -> None:
        if all(self._tokens.values()):
            pays = self._cost(True) < WORTHWHILE * self._cost(False)
            grown = min(2 * self._length, MOST)
            self._length, self._pays = grown if pays == self._pays else FEW, pays
        self.on = not self.on
        self._seconds[self.on] *= MEMORY
        self._tokens[self.on] *= MEMORY
        self._left = self._length if self.on == self._pays else FEW

    def _cost(self, guessed: bool) -> float:
        return self._seconds[guessed] / self._tokens[guessed]
