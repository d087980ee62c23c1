"""A canary in each prompt: what one sequence reads never shows in another's probabilities."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.engine.harness import Driver, Oracle, check, prompt, request

from puna.engine.context import Context
from puna.engine.libllama import Library
from puna.engine.model import Model
from puna.engine.sequence import Request
from puna.jobs import Limits
from puna.protocol import Pace, Placement

Shape = Callable[[str], Path]
DOMAINS = 4
GUESTS = 6
SHARED = 80
PLACEMENTS = {
    "pool": Placement(context=2048, sequences=12, pooled=True, batch=128, threads=1),
    "a full pool": Placement(context=512, sequences=8, pooled=True, batch=128, threads=1),
    "streams": Placement(context=512, sequences=8, pooled=False, batch=128, threads=1),
}
# Another batch shape moves a log-probability by up to 0.2 (see test_engine.py); another's
# canary, which is a prompt of other tokens, by several units at nearly every token.
ROUNDING = 0.6


class Leaking(Context):
    """A context that is broken on purpose: a copy begins with what another sequence holds."""

    def copy(self, source: int, target: int, length: int) -> bool:
        for other in range(self.slots):
            held = self.span(other)[1] + 1
            if other not in (source, target) and held >= length:
                return super().copy(other, target, length)
        return super().copy(source, target, length)


def canaries() -> list[Request]:
    """Several in each domain, all of whose prompts begin with their domain's own canary."""
    asked: list[Request] = []
    for guest in range(GUESTS):
        for domain in range(DOMAINS):
            tokens = [*prompt(domain, SHARED), *prompt(100 + DOMAINS * guest + domain, 12)]
            limits = Limits(max_tokens=24, ignore_eos=True)
            key = f"{domain}.{guest}"
            asked.append(request(key, tokens, space=f"{domain}", limits=limits, logprobs=0))
    return asked


def strangest(library: Library, path: Path, placement: Placement, kind: type[Context]) -> float:
    """By how much a log-probability in a crowd was not what it is alone, at worst."""
    model = Model(library, (str(path),), placement)
    context = kind(model, placement)
    alone = Placement(context=512, sequences=1, batch=128, threads=1)
    oracle = Oracle(model, alone)
    driver = Driver(context, Pace(whole_prompt=64))
    try:
        asked = canaries()
        for request_ in asked:
            driver.submit(request_)
        results = driver.finish()
        worst = 0.0
        for one, result in zip(asked, results, strict=True):
            assert result.error is None
            assert (result.cached or 0) <= SHARED
            first = one.key.endswith(".0")
            assert not first or result.cached == 0, "nobody of its domain was here before"
            rows = oracle.logits([*one.tokens, *result.tokens[:-1]], 24, ends=True)
            rows = rows.astype(np.float64)
            known = rows[np.arange(24), result.tokens] - np.log(np.exp(rows).sum(axis=1))
            worst = max(worst, float(np.abs(known - np.array(result.logprobs)).max()))
        if kind is Context:
            check(driver.engine, context)
            # A recurrent state is taken over whole or computed, so there is nothing to share.
            shared = any(result.cached for result in results)
            assert shared or model.recurrent, "nothing was shared at all"
        return worst
    finally:
        driver.engine.close()
        oracle.close()
        context.close()
        model.close()


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "lfm2"])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_nothing_of_another_shows(
    library: Library, shape: Shape, architecture: str, placement: str
) -> None:
    path = shape(architecture)
    assert strangest(library, path, PLACEMENTS[placement], Context) < ROUNDING


@pytest.mark.parametrize("placement", ["pool", "streams"])
def test_a_leak_would_show(library: Library, shape: Shape, placement: str) -> None:
    assert strangest(library, shape("llama"), PLACEMENTS[placement], Leaking) > 2 * ROUNDING
