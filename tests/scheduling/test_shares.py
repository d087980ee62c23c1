"""Fair shares by virtual time."""

from hypothesis import given
from hypothesis import strategies as st

from puna.scheduling.shares import Shares


@given(st.lists(st.integers(1, 100), min_size=50, max_size=200))
def test_who_always_wants_more_gets_as_much_as_anybody(costs: list[int]) -> None:
    shares = Shares()
    had = dict.fromkeys("xyz", 0)
    for name in had:
        shares.enter(name)
    for cost in costs:
        name = min(had, key=shares.time)
        had[name] += cost
        shares.work(name, cost)
    assert max(had.values()) - min(had.values()) <= max(costs)


def test_idleness_saves_nothing_up() -> None:
    shares = Shares()
    shares.enter("busy")
    shares.work("busy", 1000)
    shares.enter("rested")
    assert shares.time("rested") >= shares.time("busy")


def test_leaving_and_coming_back_wipes_nothing_out() -> None:
    shares = Shares()
    shares.enter("patient")
    shares.enter("greedy")
    shares.work("greedy", 1000)
    shares.leave("greedy")
    shares.enter("greedy")
    assert shares.time("greedy") > shares.time("patient")


def test_no_stream_of_newcomers_holds_back_who_was_there_before() -> None:
    shares = Shares()
    shares.enter("old")
    shares.enter("other")
    shares.work("old", 100)
    for number in range(1000):
        newcomer = f"newcomer {number}"
        shares.enter(newcomer)
        if shares.time(newcomer) >= shares.time("old"):
            return
        shares.work(newcomer, 1)
        shares.leave(newcomer)
    raise AssertionError("The old one never had its turn.")


def test_who_is_gone_and_owes_nothing_is_forgotten() -> None:
    shares = Shares()
    for number in range(100):
        shares.enter(f"{number}")
        shares.work(f"{number}", 10)
        shares.leave(f"{number}")
    assert len(shares._times) <= 1
