"""Whether a runner makes progress, by what is heard of it."""

from types import SimpleNamespace
from typing import cast

from puna.protocol import Busyness
from puna.runners.runner import Runner
from puna.scheduling.pulse import Pulse


def runner(heard: int, **load: int) -> Runner:
    return cast(Runner, SimpleNamespace(heard=heard, busyness=Busyness(**load)))


def test_a_runner_that_is_heard_of_and_takes_steps_is_well() -> None:
    pulse = Pulse()
    for number in range(100):
        assert pulse.look(runner(number, running=1, steps=number), 1.0) == 0


def test_one_that_has_nothing_to_do_takes_no_steps() -> None:
    pulse = Pulse()
    for number in range(100):
        assert pulse.look(runner(number), 1.0) == 0


def test_silence_is_counted_from_the_last_word() -> None:
    pulse = Pulse()
    assert [pulse.look(runner(1), 1.0) for _ in range(4)] == [0, 1, 2, 3]
    assert pulse.look(runner(2), 1.0) == 0


def test_words_without_steps_are_no_progress_while_there_is_work() -> None:
    pulse = Pulse()
    waits = [pulse.look(runner(number, running=1, steps=7), 1.0) for number in range(4)]
    assert waits == [0, 1, 2, 3]
    assert pulse.look(runner(9, running=1, steps=8), 1.0) == 0
