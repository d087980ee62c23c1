"""The records of jobs that have ended: the latest are at hand, and each is told once."""

from collections import OrderedDict
from collections.abc import Callable

from puna.records import JobRecord

KEPT = 1000


class Ledger:
    """What is remembered of ended jobs; `remember` is told of each."""

    def __init__(self, remember: Callable[[JobRecord], None]) -> None:
        self._remember = remember
        self._records: OrderedDict[str, JobRecord] = OrderedDict()

    def add(self, record: JobRecord) -> None:
        """One more has ended."""
        self._records[record.id] = record
        self._records.move_to_end(record.id)
        if len(self._records) > KEPT:
            self._records.popitem(last=False)
        self._remember(record)

    def find(self, id: str) -> JobRecord | None:
        """The record of this job, if it is among the latest."""
        return self._records.get(id)

    def all(self) -> list[JobRecord]:
        """Those at hand, the one that ended first at first."""
        return list(self._records.values())
