"""Who is next: the order in which waiting jobs get their seats."""

from typing import Any

import pytest

from puna.scheduling.claims import Claim, Pause, Plan, Rules, Start, Submit
from puna.scheduling.register import AGING, VECTORS_AT_ONCE
from puna.scheduling.table import Table


@pytest.fixture
def table() -> Table:
    """A table with one model, loaded, with one seat that somebody has."""
    table = Table(Rules())
    table.measure({"CPU": 1}, {"CPU": 1})
    table.arrive(Claim("first", "model", "somebody"), 0.0)
    (plan,) = table.decide(0.0)
    assert isinstance(plan, Plan)
    runner = plan.runner
    table.offer(runner)
    table.planned(runner, {"CPU": 1}, 0.0)
    assert table.decide(0.0) == [Start(runner)]
    table.loaded(runner, 1, 4096, 4096, 0.0)
    assert table.decide(0.0) == [Submit("first", runner)]
    return table


def arrive(table: Table, job: str, now: float = 0.0, **claim: Any) -> None:
    table.arrive(Claim(job, "model", claim.pop("principal", "somebody"), **claim), now)


def served(table: Table, seated: str = "first", now: float = 0.0, tokens: int = 10) -> list[str]:
    """The jobs in the order in which they are seated, each when the one before has ended."""
    order: list[str] = []
    while True:
        table.work(seated, tokens)
        table.finish(seated, now)
        submits = [one for one in table.decide(now) if isinstance(one, Submit)]
        if not submits:
            return order
        (submit,) = submits
        seated = submit.job
        order.append(seated)


def test_the_urgent_go_first_and_of_one_class_who_came_first(table: Table) -> None:
    for number, priority in enumerate((2, 1, 0, 2, 1, 0)):
        arrive(table, f"{number}", priority=priority)
    assert served(table) == ["2", "5", "1", "4", "0", "3"]


def test_principals_take_turns_however_much_each_asks_for(table: Table) -> None:
    for number in range(4):
        arrive(table, f"a{number}", principal="ann")
    for number in range(2):
        arrive(table, f"b{number}", principal="bob")
    assert served(table)[:4] == ["a0", "b0", "a1", "b1"]


def test_waiting_makes_up_for_a_lower_class(table: Table) -> None:
    arrive(table, "batch", priority=2)
    arrive(table, "late", now=2 * AGING, principal="somebody")
    assert served(table, now=2 * AGING) == ["batch", "late"]


def test_a_job_of_many_choices_is_not_overtaken_for_ever(table: Table) -> None:
    arrive(table, "wide", size=4)
    arrive(table, "narrow")
    assert served(table) == ["wide", "narrow"]


def test_vectors_wait_for_no_seat_and_have_a_bound_of_their_own(table: Table) -> None:
    for number in range(VECTORS_AT_ONCE + 3):
        arrive(table, f"{number}", lane="vectors")
    assert len(table.decide(0.0)) == VECTORS_AT_ONCE


def test_a_batch_job_rises_once_for_an_interactive_one_and_goes_on_after_it(table: Table) -> None:
    arrive(table, "batch", priority=2)
    table.finish("first", 0.0)
    assert len(table.decide(0.0)) == 1
    arrive(table, "urgent")
    assert table.decide(0.0) == [Pause("batch")]
    assert table.decide(0.0) == []
    table.vacate("batch", 0.0)
    (submit,) = table.decide(0.0)
    assert isinstance(submit, Submit)
    assert submit.job == "urgent"
    table.requeue("batch", 0.0)
    assert served(table, "urgent") == ["batch"]


def test_a_batch_job_that_has_waited_long_does_not_rise(table: Table) -> None:
    arrive(table, "batch", priority=2)
    now = 2 * AGING
    table.finish("first", now)
    assert len(table.decide(now)) == 1
    arrive(table, "urgent", now=now)
    assert table.decide(now) == []


def test_the_positions_say_how_many_are_before(table: Table) -> None:
    arrive(table, "batch", priority=2)
    arrive(table, "urgent")
    assert table.positions() == {"urgent": 0, "batch": 1}
