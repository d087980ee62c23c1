"""What it costs that sequences lie apart in their streams, and what it costs to move them.

Usage: PUNA_ENGINE=LIBRARY python benchmarks/apart.py

Steps of four decodes with and without gaps between their streams, one after the other in turns; and
what is held of so many tokens, carried from one stream to another. It takes a minute on two cores.
"""

import statistics
import time

import make_model
from findings import median, table
from subject import context, opened, prompt

from puna.engine.batches import Span
from puna.engine.context import Context
from puna.protocol import Placement

PLACEMENT = Placement(context=2560, sequences=16, pooled=False)
CROWDS = {
    "4 side by side": (0, 1, 2, 3),
    "3, and one apart": (0, 1, 2, 8),
    "4 apart": (0, 2, 5, 9),
}
PROMPT, STEPS, ROUNDS = 100, 8, 5
CARRIED = (150, 1000)


def hold(subject: Context, slot: int, count: int) -> None:
    """Have a slot hold so many tokens."""
    tokens = prompt(slot, count)
    for begin in range(0, count, subject.batch):
        subject.step([Span(slot, begin, tokens[begin : begin + subject.batch], 1)])


def steps(subject: Context, slots: tuple[int, ...]) -> float:
    """The seconds of a step of these slots, which nobody moves."""
    for slot in slots:
        subject.clear(slot)
        hold(subject, slot, PROMPT)
    took = list[float]()
    for at in range(PROMPT, PROMPT + STEPS):
        began = time.perf_counter()
        subject.step([Span(slot, at, [5], 1) for slot in slots])
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def carried(subject: Context, count: int) -> float:
    """The seconds that it takes to give another stream what is held of so many tokens."""
    subject.clear(0)
    hold(subject, 0, count)
    took = list[float]()
    for _ in range(ROUNDS + 1):
        subject.clear(1)
        began = time.perf_counter()
        assert subject.copy(0, 1, count)
        took.append(time.perf_counter() - began)
    # At first the memory for it is new.
    return statistics.median(took[1:])


def main() -> None:
    """Measure, and print a table."""
    with opened(make_model.model(), PLACEMENT) as model, context(model, PLACEMENT) as subject:
        found = {name: list[float]() for name in CROWDS}
        for _ in range(ROUNDS):
            for name, slots in CROWDS.items():
                found[name].append(steps(subject, slots) * 1e3)
        rows = [median(f"a step of {name}", took, "ms") for name, took in found.items()]
        rows += [
            median(f"{count} tokens carried", [carried(subject, count) * 1e3], "ms")
            for count in CARRIED
        ]
    print(table(rows))


if __name__ == "__main__":
    main()
