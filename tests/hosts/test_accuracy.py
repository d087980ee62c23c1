"""How near the reckoning comes to what a runner really takes."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from tests.hosts import heavy

from puna.hosts.anatomy import anatomy
from puna.hosts.estimate import estimate
from puna.hosts.host import Wish
from puna.hosts.local import LocalHost
from puna.jobs import CompleteJob, Limits
from puna.models import gguf
from puna.runners.runner import Runner

WITHIN = 0.1
FREE = {"CPU": 16 << 30}
BATCH = 128
# A step has at most so many rows of logits: 64 beside one for each sequence.
ROWS = 68


async def put_to_work(runner: Runner) -> None:
    """A step of as many tokens as there may be, then one of as many rows of logits."""
    full = CompleteJob("full", "model", tuple(range(100, 100 + BATCH + 2)), limits=Limits(2))
    scored = CompleteJob(
        "scored", "model", tuple(range(200, 200 + ROWS)), prompt_logprobs=1, limits=Limits(1)
    )
    for job in (full, scored):
        with closing(runner.submit(job)) as stream:
            async for _ in stream:
                pass


def resident() -> int:
    """Bytes that this process's runner has in memory: its own, and of the files it has mapped."""
    (runner,) = psutil.Process().children()
    return runner.memory_info().rss


@pytest.mark.slow
@pytest.mark.parametrize("architecture", heavy.SHAPES)
async def test_both_reckonings_are_within_a_tenth_of_what_is_measured(
    architecture: str, tmp_path: Path
) -> None:
    path = heavy.write(tmp_path / "model.gguf", architecture)
    assert path.stat().st_size > 300 << 20
    host = LocalHost(lambda _: None)
    wish = Wish((str(path),), context=8192, sequences=4, batch=BATCH)
    plan = await host.plan(wish, FREE)
    quick = estimate(anatomy(gguf.read(path)), plan.load.placement, ()).totals(())
    runner = await host.start(plan.load, 60)
    try:
        await put_to_work(runner)
        taken = resident()
    finally:
        await runner.kill()
    report(architecture, taken, quick, plan.bytes)
    assert quick["CPU"] == pytest.approx(taken, rel=WITHIN)
    assert plan.bytes["CPU"] == pytest.approx(taken, rel=WITHIN)


def report(
    architecture: str, taken: int, quick: Mapping[str, int], simulated: Mapping[str, int]
) -> None:
    """What docs/memory.md quotes; shown with `pytest -s`."""
    for name, found in (("header", quick["CPU"]), ("simulation", simulated["CPU"])):
        print(
            f"{architecture} by {name}: {found / 1e6:.0f} MB, "
            f"measured {taken / 1e6:.0f} MB, off by {100 * (found / taken - 1):+.1f} %"
        )
