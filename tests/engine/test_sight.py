"""An image is encoded beside the steps: who waits for it, who does not, and who lets go of it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from stand_in_parts import png
from tests.engine.harness import SECONDS, prompt
from tests.engine.seeing import HERE, POOL, ROUNDING, THERE, Part, Seeing, seeing

from puna.engine.libllama import Library
from puna.engine.vision import Projector
from puna.errors import EngineFailed
from puna.jobs import Limits
from puna.protocol import Pace, Placement

Shape = Callable[[str], Path]
LONG = Limits(max_tokens=60, ignore_eos=True)
LOOKING: list[Part] = [prompt(2, 9), HERE, prompt(3, 9)]
ONE_SLOT = Placement(context=512, sequences=1, batch=128, threads=1)


@dataclass
class Barrier:
    """Holds the projector's real encoding up until it is let go."""

    begun: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)
    events: list[str] = field(default_factory=list[str])

    def hold(self, projector: Projector) -> None:
        encoded = projector._encoded

        def held(chunk, picture):
            self.begun.set()
            assert self.open.wait(SECONDS)
            vectors = encoded(chunk, picture)
            self.events.append("encoded")
            return vectors

        pytest.MonkeyPatch().setattr(projector, "_encoded", held)


@contextmanager
def held_up(
    library: Library, shape: Shape, architecture: str = "llama", placement: Placement = POOL
) -> Iterator[tuple[Seeing, Barrier]]:
    barrier = Barrier()
    with seeing(library, shape, architecture, placement, Pace()) as sight:
        barrier.hold(sight.projector)
        try:
            yield sight, barrier
        finally:
            barrier.open.set()


@pytest.fixture
def held(library: Library, shape: Shape) -> Iterator[tuple[Seeing, Barrier]]:
    with held_up(library, shape) as made:
        yield made


def look(sight: Seeing, barrier: Barrier, key: str = "looking") -> None:
    """Have a request come to its image, whose encoding has begun."""
    sight.engine.submit(sight.request(key, LOOKING))
    assert barrier.begun.wait(SECONDS)
    while sum(sight.engine.results[key].progress[-1:]) < 9:
        sight.engine.collect()


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "qwen2vl"])
def test_others_run_to_their_end_while_an_image_is_encoded(
    library: Library, shape: Shape, architecture: str
) -> None:
    with held_up(library, shape, architecture) as (sight, barrier):
        sight.engine.submit(sight.request("running", [prompt(1, 20)], limits=LONG))
        while not sight.engine.results["running"].tokens:
            sight.engine.collect()
        look(sight, barrier)
        late = sight.engine.run(sight.request("late", [prompt(5, 20)]))
        (running,) = sight.engine.finish("running")
        assert (len(running.tokens), len(late.tokens)) == (60, 16)
        assert barrier.events == []
        assert sight.engine.results["looking"].tokens == []
        barrier.open.set()
        (looked,) = sight.engine.finish("looking")
        assert barrier.events == ["encoded"]
        assert sight.regret(LOOKING, looked.tokens) < ROUNDING
        assert sight.regret([prompt(1, 20)], running.tokens) < ROUNDING


def test_a_cancel_frees_the_slot_while_the_image_is_still_encoded(
    library: Library, shape: Shape
) -> None:
    with held_up(library, shape, placement=ONE_SLOT) as (sight, barrier):
        look(sight, barrier)
        sight.engine.engine.cancel("looking")
        other = sight.engine.run(sight.request("other", [prompt(1, 20)]))
        assert (len(other.tokens), barrier.events) == (16, [])
        barrier.open.set()
        again = sight.engine.run(sight.request("again", LOOKING))
        assert sight.projector.encoded == 1
        assert sight.regret(LOOKING, again.tokens) < ROUNDING


def test_a_cancel_of_one_that_waits_for_its_image_stops_nobodys_step(
    held: tuple[Seeing, Barrier], monkeypatch: pytest.MonkeyPatch
) -> None:
    sight, barrier = held
    look(sight, barrier)
    aborted: list[str] = []
    monkeypatch.setattr(sight.engine.context, "abort", lambda: aborted.append("abort"))
    sight.engine.engine.cancel("looking")
    sight.engine.run(sight.request("other", [prompt(1, 20)]))
    assert aborted == []
    monkeypatch.undo()


@pytest.mark.parametrize("memory", [True, False])
def test_a_pause_does_not_wait_for_the_image(held: tuple[Seeing, Barrier], memory: bool) -> None:
    sight, barrier = held
    look(sight, barrier)
    sight.engine.engine.pause("looking", memory=memory)
    (looked,) = sight.engine.finish("looking")
    assert looked.paused is not None
    assert (looked.paused.emitted, barrier.events) == ((), [])


def test_an_image_that_nobody_waits_for_any_more_is_not_encoded(
    held: tuple[Seeing, Barrier],
) -> None:
    sight, barrier = held
    look(sight, barrier)
    sight.engine.submit(sight.request("second", [THERE, prompt(4, 5)]))
    sight.engine.submit(sight.request("third", [png(32, 32, seed=9), prompt(4, 5)]))
    sight.engine.run(sight.request("behind both", [prompt(1, 5)]))
    sight.engine.engine.cancel("second")
    sight.engine.run(sight.request("behind the cancel", [prompt(1, 5)]))
    barrier.open.set()
    sight.engine.finish("looking", "third")
    assert sight.projector.encoded == 2


def test_the_next_image_is_encoded_while_the_text_before_it_is_read(
    library: Library, shape: Shape
) -> None:
    slow = Placement(context=512, sequences=2, batch=16, threads=1)
    with held_up(library, shape, placement=slow) as (sight, barrier):
        parts: list[Part] = [*(prompt(number, 10) for number in range(20)), HERE]
        sight.engine.submit(sight.request("reading", parts))
        sight.engine.collect()
        assert barrier.begun.wait(SECONDS)
        assert sight.engine.results["reading"].progress[0] < 200
        barrier.open.set()
        (read,) = sight.engine.finish("reading")
        assert sight.regret(parts, read.tokens) < ROUNDING


def test_an_engine_that_waits_for_an_image_alone_rests(
    held: tuple[Seeing, Barrier], monkeypatch: pytest.MonkeyPatch
) -> None:
    sight, barrier = held
    look(sight, barrier)
    turns: list[float] = []
    admit = sight.engine.engine.roster.admit

    def counted() -> None:
        turns.append(time.monotonic())
        admit()

    monkeypatch.setattr(sight.engine.engine.roster, "admit", counted)
    time.sleep(0.3)
    assert len(turns) <= 2
    barrier.open.set()
    assert sight.engine.finish("looking")[0].error is None


def test_an_image_that_cannot_be_encoded_is_that_requests_error_only(
    library: Library, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seeing(library, shape, "llama", POOL, Pace()) as sight:

        def failing(chunk, picture):
            raise EngineFailed("The engine could not encode an image.")

        monkeypatch.setattr(sight.projector, "_encoded", failing)
        sight.engine.submit(sight.request("looking", LOOKING))
        sight.engine.submit(sight.request("reading", [prompt(1, 20)]))
        looking, reading = sight.engine.finish()
        assert looking.error is not None
        assert looking.error.name == "EngineFailed"
        assert len(reading.tokens) == 16


def test_closing_waits_for_the_encoding(held: tuple[Seeing, Barrier]) -> None:
    sight, barrier = held
    look(sight, barrier)
    sight.engine.submit(sight.request("second", [THERE, prompt(4, 5)]))
    sight.engine.run(sight.request("behind", [prompt(1, 5)]))
    sight.engine.engine.close()

    def close() -> None:
        sight.projector.close()
        barrier.events.append("closed")

    closing = threading.Thread(target=close)
    closing.start()
    closing.join(0.2)
    assert barrier.events == []
    barrier.open.set()
    closing.join(SECONDS)
    assert barrier.events == ["encoded", "closed"]
