"""What running sequences feel of a long prompt that arrives, and how fast that prompt gets on.

Usage: python benchmarks/interference.py
"""

import time

from cancel import RUNNING, crowd
from findings import Finding, percentile, table
from make_model import model
from subject import Subject, opened, prompt, request

from puna.engine.model import Model
from puna.protocol import Placement

PROMPT, STRETCH_GOAL = 4000, 2.2
STEADY_STEPS, SECONDS = 40, 45.0


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


def _finding(what: str, seconds: list[float], share: float) -> Finding:
    name = "median" if share == 0.5 else f"{share * 100:g}th percentile"
    value = percentile(seconds, share) * 1000
    return Finding(f"{what}, {name}", value, "ms", min(seconds) * 1000, max(seconds) * 1000)


def measure() -> list[Finding]:
    with opened(model(), Placement()) as weights:
        return disturbed(weights)


if __name__ == "__main__":
    print(table(measure()))
