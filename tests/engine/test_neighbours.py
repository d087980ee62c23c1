"""In streams, sequences in slots beside one another are computed together."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.engine.harness import Oracle, Result, prompt, regret, request

from puna.engine.batches import Span
from puna.engine.context import Context, Outcome
from puna.engine.engine import Engine
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.sequence import Output, Request
from puna.engine.streams import apart
from puna.errors import PunaError
from puna.jobs import Limits
from puna.protocol import Pace, Placement

Shape = Callable[[str], Path]
STREAMS = Placement(context=512, sequences=8, pooled=False, batch=128, threads=1)
# In this order they end, and so it is the order in which their slots are given to others.
ENDS = [3, 0, 5, 1, 4, 2, 7, 6]
# See test_engine.py: what another batch shape moves, and far below what a wrong token is off by.
ROUNDING = 0.6
LONG = Limits(max_tokens=200, ignore_eos=True)


class Noted(Context):
    """A context that notes in which streams each step's spans lay."""

    steps: list[list[int]]

    def step(self, spans: list[Span]) -> Outcome:
        self.steps.append([self.stream(span.slot) for span in spans])
        return super().step(spans)


class Stage:
    """An engine that is taken step by step on the test's own thread."""

    def __init__(self, context: Noted) -> None:
        self.context = context
        self.results: dict[str, Result] = {}
        self.engine = Engine(context, Pace(), self._emitted, self._failed)

    def _emitted(self, outputs: list[Output]) -> None:
        for output in outputs:
            self.results[output.key].add(output)

    def _failed(self, error: PunaError) -> None:
        raise error

    def submit(self, *requests: Request) -> None:
        for one in requests:
            self.results[one.key] = Result()
            self.engine.submit(one)

    def start(self, *keys: str) -> None:
        """Have these run for long, all together."""
        self.submit(*(request(key, prompt(ord(key), 20), limits=LONG) for key in keys))
        while not all(self.results[key].tokens for key in keys):
            self.engine.turn()

    def comes_back(self, key: str) -> Request:
        """Somebody who goes on with what they said and heard before."""
        said = [*prompt(int(key), 20), *self.results[key].tokens]
        return request(f"{key} again", [*said, 1], limits=LONG)

    def until_side_by_side(self, count: int) -> None:
        """Go on until so many who run lie side by side."""
        for _ in range(100):
            self.engine.turn()
            if len(self.context.steps[-1]) == count and not apart(self.context.steps[-1]):
                return
        raise AssertionError(f"{self.context.steps[-5:]} are apart.")

    def run(self, *requests: Request) -> list[Result]:
        self.submit(*requests)
        while not all(self.results[one.key].ended for one in requests):
            self.engine.turn()
        return [self.results[one.key] for one in requests]

    def fill(self) -> None:
        """Have all slots kept, which were used in the order of ENDS."""
        tokens = {slot: 10 * (1 + turn) for turn, slot in enumerate(ENDS)}
        asked = (
            request(f"{slot}", prompt(slot, 20), limits=Limits(tokens[slot], ignore_eos=True))
            for slot in sorted(ENDS)
        )
        self.run(*asked)


@contextmanager
def stage(library: Library, path: Path, placement: Placement = STREAMS) -> Iterator[Stage]:
    with (
        closing(Model(library, (str(path),), placement)) as model,
        closing(Noted(model, placement)) as context,
    ):
        context.steps = []
        yield Stage(context)


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_who_comes_sits_beside_who_runs(library: Library, shape: Shape, architecture: str) -> None:
    with stage(library, shape(architecture)) as engine:
        engine.start("a")
        engine.start("b", "c")
        assert engine.context.steps[-1] == [0, 1, 2]


def test_slots_that_were_long_unused_are_taken_side_by_side(library: Library, shape: Shape) -> None:
    with stage(library, shape("gemma3")) as engine:
        engine.fill()
        engine.start("a", "b", "c")
        assert engine.context.steps[-1] == [3, 4, 5]


@pytest.mark.parametrize("architecture", ["llama", "lfm2"])
def test_those_who_come_back_are_laid_side_by_side_and_lose_nothing(
    library: Library, shape: Shape, architecture: str
) -> None:
    """What is in their way changes places with them, and is found again."""
    path = shape(architecture)
    with stage(library, path) as engine:
        engine.fill()
        back = [engine.comes_back(key) for key in "1357"]
        engine.submit(*back)
        engine.until_side_by_side(4)
        moved = {one.key: engine.results[one.key] for one in back}
        assert all(result.cached for result in moved.values())
        while not all(result.ended for result in moved.values()):
            engine.engine.turn()
        others = engine.run(*(engine.comes_back(key) for key in "0246"))
        assert all(result.cached for result in others)
    pairs = [(one.tokens, moved[one.key].tokens) for one in back]
    alone = Placement(context=1024, sequences=1, batch=128, threads=1)
    with (
        closing(Model(library, (str(path),), alone)) as model,
        closing(Oracle(model, alone)) as oracle,
    ):
        assert max(regret(oracle, [*asked], told) for asked, told in pairs) < ROUNDING


def test_what_slides_stays_where_it_can_be_cut_back(library: Library, shape: Shape) -> None:
    """A move by bytes would lose what the window has slid over."""
    with stage(library, shape("gemma3")) as engine:
        engine.fill()
        engine.submit(*(engine.comes_back(key) for key in "1357"))
        for _ in range(30):
            engine.engine.turn()
        assert engine.context.steps[-1] == [1, 3, 5, 7]


def test_what_was_used_lately_stays(library: Library, shape: Shape) -> None:
    with stage(library, shape("llama")) as engine:
        engine.fill()
        engine.start("a", "b", "c", "d")
        (again,) = engine.run(request("again", prompt(ENDS[-1], 20)))
        assert again.cached == 19


def test_steps_are_in_the_order_of_streams(library: Library, shape: Shape) -> None:
    with stage(library, shape("llama")) as engine:
        engine.fill()
        engine.start("a", "b", "c", "d")
        steps = engine.context.steps
    assert any(len(slots) == len(ENDS) for slots in steps)
    assert steps == [sorted(slots) for slots in steps]


def test_little_of_much_is_computed_rather_than_copied(library: Library, shape: Shape) -> None:
    """Between streams all that the other has would have to be copied, and then cut back."""
    shared = prompt(1, 3)
    with stage(library, shape("llama")) as engine:
        long = [*shared, *prompt(2, 300)]
        engine.submit(request("long", long, limits=LONG))
        while not engine.results["long"].tokens:
            engine.engine.turn()
        little, enough = engine.run(
            request("little", [*shared, *prompt(3, 20)]), request("enough", [*long[:60], 1])
        )
        assert little.cached == 0
        assert enough.cached == 60


@pytest.mark.parametrize(("architecture", "running"), [("llama", {"a"}), ("gemma3", {"a", "b"})])
def test_nobody_waits_for_a_beginning_that_is_not_worth_a_copy(
    library: Library, shape: Shape, architecture: str, running: set[str]
) -> None:
    """Where there are windows, a copy takes a whole stream of 2,048 tokens."""
    shared, long = prompt(1, 70), replace(STREAMS, context=2048)
    with stage(library, shape(architecture), long) as engine:
        engine.submit(*(request(key, [*shared, *prompt(ord(key), 20)]) for key in "ab"))
        engine.engine.turn()
        assert engine.engine.roster.running.keys() == running
