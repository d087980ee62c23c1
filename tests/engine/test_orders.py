"""Who is at the door of an idle engine comes along in the first step; no other waits for them."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from harness import Driver, driver, request

from puna.engine.libllama import Library
from puna.engine.orders import Orders
from puna.engine.steps import ALONE_SECONDS, PATIENCE, Tempo, Work
from puna.protocol import Pace, Placement

LONG = 3600.0
PLACEMENT = Placement(context=256, sequences=2, batch=64, threads=1)


def test_those_on_their_way_are_let_in() -> None:
    orders, done = Orders(), list[str]()
    for _ in range(2):
        orders.announce()
    orders.put(lambda: done.append("first"))
    orders.arrived()

    def come() -> None:
        orders.put(lambda: done.append("second"))
        orders.arrived()
        orders.put(lambda: done.append("too late"))

    later = threading.Timer(0.05, come)
    later.start()
    orders.welcome(LONG, lambda: None)
    assert done == ["first", "second"]
    later.join()


def test_each_is_let_in_before_the_next_is_awaited() -> None:
    orders, done = Orders(), list[str]()
    orders.announce()
    orders.put(lambda: done.append("order"))
    orders.arrived()
    orders.welcome(LONG, lambda: done.append("then"))
    assert done == ["order", "then", "then"]


def test_nobody_waits_where_none_is_on_the_way_nor_for_ever() -> None:
    orders = Orders()
    orders.welcome(LONG, lambda: pytest.fail("Nobody came."))
    orders.announce()
    orders.welcome(0.01, lambda: pytest.fail("Nobody came."))
    assert orders.coming


def test_they_share_the_first_step(library: Library, shape: Callable[[str], Path]) -> None:
    with driver(library, shape("llama"), PLACEMENT) as its:
        _make_patient(its)
        for _ in range(2):
            its.engine.orders.announce()
        for name in ("first", "second"):
            its.submit(request(name, [1, 2, 3]))
            its.engine.orders.arrived()
            while its.engine.roster.find(name) is None:
                time.sleep(0.001)
        assert {output.key for output in its.collect()} == {"first", "second"}
        its.finish()


def test_who_decodes_does_not_wait(library: Library, shape: Callable[[str], Path]) -> None:
    with driver(library, shape("llama"), PLACEMENT) as its:
        _make_patient(its)
        its.when("first", 1, its.engine.orders.announce)
        assert its.run(request("first", [1, 2, 3])).finish


def _make_patient(its: Driver) -> None:
    its.engine._tempo.patience = lambda tokens: LONG if tokens else 0.0


def test_patience_is_a_small_part_of_what_the_step_will_take() -> None:
    tempo = Tempo(Pace(), 512)
    assert tempo.patience(100) == 0, "nothing is known yet"
    tempo.record(Work(prefill=100, decodes=0, drafts=0, pictures=0), 0.2, 0)
    assert tempo.patience(50) == pytest.approx(0.1 * PATIENCE)
    assert tempo.patience(100_000) == pytest.approx(ALONE_SECONDS * PATIENCE)
    # So few tokens are dear each, and say nothing about many.
    tempo.record(Work(prefill=2, decodes=0, drafts=0, pictures=0), 0.2, 0)
    assert tempo.patience(50) == pytest.approx(0.1 * PATIENCE)


def test_only_of_decodes_is_it_said_how_long_they_take() -> None:
    tempo = Tempo(Pace(), 512)
    decodes = Work(prefill=0, decodes=4, drafts=0, pictures=0)
    assert tempo.expected(decodes) == math.inf
    tempo.record(decodes, 0.01, 0)
    assert tempo.expected(decodes) == 0.01
    for other in ({"prefill": 1}, {"pictures": 1}, {"decodes": 8}):
        assert tempo.expected(replace(decodes, **other)) == math.inf
