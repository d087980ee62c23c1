"""What other threads want of the engine, to be done on its own."""

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

Order = Callable[[], None]


class Orders:
    """A queue of orders, and whether more of them are known to be on their way.

    Any thread may `put`. One thread, always the same, says what it prepares and when that is there.
    All else is for the thread that carries out what is ordered.
    """

    def __init__(self) -> None:
        # Counted by one thread each.
        self._announced = 0
        self._arrived = 0
        self._queue: SimpleQueue[Order] = SimpleQueue()

    def put(self, order: Order) -> None:
        """Have this done soon."""
        self._queue.put(order)

    def announce(self) -> None:
        """Say that there will be an order soon."""
        self._announced += 1

    def arrived(self) -> None:
        """Say that it is there, or that it will never be."""
        self.put(self._arrive)

    def _arrive(self) -> None:
        self._arrived += 1

    @property
    def coming(self) -> bool:
        """Whether there are orders on their way."""
        return self._announced > self._arrived

    @property
    def none(self) -> bool:
        """Whether there is none at the moment."""
        return self._queue.empty()

    def wait(self) -> None:
        """Do the next, whenever it comes."""
        self._queue.get()()

    def take(self) -> None:
        """Do all that there are."""
        while not self.none:
            self._queue.get_nowait()()

    def welcome(self, seconds: float, then: Callable[[], None]) -> None:
        """Do those that are on their way, if they come in so many seconds, and this after each."""
        until = time.perf_counter() + seconds
        while self.coming and (left := until - time.perf_counter()) > 0:
            try:
                self._queue.get(timeout=left)()
            except Empty:
                return
            then()
