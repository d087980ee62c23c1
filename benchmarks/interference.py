"""What running sequences feel of a long prompt or an image that arrives, and how fast that gets on.

Usage: python benchmarks/interference.py
"""

import time
from concurrent.futures import Future

from cancel import RUNNING, crowd
from findings import Finding, median, percentile, table
from make_model import model, projector
from stand_in_parts import png
from subject import Subject, opened, prompt, request

from puna.engine.context import Floats
from puna.engine.model import Model
from puna.engine.pictures import Picture
from puna.engine.vision import Projector
from puna.protocol import Placement

PROMPT, STRETCH_GOAL = 4000, 2.2
STEADY_STEPS, SECONDS, IMAGES = 40, 45.0, 5


def gaps(subject: Subject, steps: int, ended: float = float("inf")) -> tuple[list[float], int]:
    """The seconds between steps that gave every running sequence a token, and a prompt's progress.

    It ends after so many steps, or when that time is over, or the prompt is done.
    """
    found, progress, before = list[float](), 0, 0.0
    while len(found) < steps and time.perf_counter() < ended:
        at, outputs = subject.next()
        if any(output.drawn and output.key.startswith("running") for output in outputs):
            if before:
                found.append(at - before)
            before = at
        for output in outputs:
            if output.key == "prompt" and output.progress is not None:
                progress = output.progress
        if progress >= PROMPT:
            break
    return found, progress


def disturbed(model: Model) -> list[Finding]:
    with crowd(model, pooled=True) as subject:
        steady, _ = gaps(subject, STEADY_STEPS)
        subject.engine.submit(request("prompt", prompt(9, PROMPT), 8))
        began = time.perf_counter()
        beside, progress = gaps(subject, 10_000, began + SECONDS)
        rate = progress / (time.perf_counter() - began)
        subject.engine.cancel("prompt")
        after, _ = gaps(subject, STEADY_STEPS)
    undisturbed = steady + after
    base = percentile(undisturbed, 0.95)
    found = [
        _finding(f"between tokens of {RUNNING}, undisturbed", undisturbed, share)
        for share in (0.5, 0.95)
    ]
    found += [
        _finding(f"between tokens of {RUNNING}, beside a prompt", beside, share)
        for share in (0.5, 0.95)
    ]
    ratio = percentile(beside, 0.95) / base
    found.append(
        Finding("95th percentile, beside to undisturbed", ratio, "", ratio, ratio, STRETCH_GOAL)
    )
    found.append(Finding("the prompt's tokens a second meanwhile", rate, "", rate, rate))
    return found


def looking(model: Model) -> list[Finding]:
    """The same while an image is encoded, which has a thread of its own."""
    sight = Projector(model, str(projector()), Placement())
    try:
        (picture,) = (one for one in sight.read(png(336, 336)) if isinstance(one, Picture))
        alone = _seconds(sight.encode(picture))
        with crowd(model, pooled=True) as subject:
            steady, _ = gaps(subject, STEADY_STEPS)
            beside: list[float] = []
            encoded: list[float] = []
            for seed in range(1, IMAGES + 1):
                (picture,) = (
                    one for one in sight.read(png(336, 336, seed)) if isinstance(one, Picture)
                )
                began, vectors = time.perf_counter(), sight.encode(picture)
                while not vectors.done():
                    beside += gaps(subject, 1)[0]
                encoded.append(time.perf_counter() - began)
    finally:
        sight.close()
    ratio = percentile(beside, 0.95) / percentile(steady, 0.95)
    return [
        _finding(f"between tokens of {RUNNING}, beside an image", beside, 0.5),
        _finding(f"between tokens of {RUNNING}, beside an image", beside, 0.95),
        Finding("95th percentile, beside an image to undisturbed", ratio, "", ratio, ratio),
        median("an image's encoding meanwhile", encoded, "s"),
        Finding("an image's encoding alone", alone, "s", alone, alone),
    ]


def _seconds(vectors: Future[Floats]) -> float:
    began = time.perf_counter()
    vectors.result()
    return time.perf_counter() - began


def _finding(what: str, seconds: list[float], share: float) -> Finding:
    name = "median" if share == 0.5 else f"{share * 100:g}th percentile"
    value = percentile(seconds, share) * 1000
    return Finding(f"{what}, {name}", value, "ms", min(seconds) * 1000, max(seconds) * 1000)


def measure() -> list[Finding]:
    with opened(model(), Placement()) as weights:
        return disturbed(weights) + looking(weights)


if __name__ == "__main__":
    print(table(measure()))
