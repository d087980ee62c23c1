"""Samplers with a state or a coin of their own, after their runner was killed: the real engine."""

import struct
from pathlib import Path

import pytest
from tests.scheduling.fakes import FakeHost, collect
from tests.scheduling.test_going_on import SURE, completion, killed_at, told

from puna.deltas import Delta, SamplerDelta, TextDelta
from puna.engine.draw import uniform
from puna.jobs import Limits, Sampling
from puna.scheduling.flight import Flight
from puna.scheduling.scheduler import Scheduler

KILLS = (10, 50, 90)
LAST = 150
# Cells computed anew round differently, and so does a surprise, in bits.
ROUNDING = 0.5


@pytest.fixture
def mus(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[int, float]]:
    """Of each job mirostat's `mu` by how many tokens had been told, as the server notes it."""
    found: dict[str, dict[int, float]] = {}
    note = Flight.note

    def noted(flight: Flight, batch: list[Delta]) -> int:
        # One by one, to see how many tokens each state stands behind.
        work = 0
        for delta in batch:
            work += note(flight, [delta])
            if isinstance(delta, SamplerDelta):
                (mu,) = struct.unpack("<d", delta.state)
                found.setdefault(flight.job.id, {})[len(flight._told[0])] = mu
        return work

    monkeypatch.setattr(Flight, "note", noted)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
async def test_mirostat_goes_on_where_it_was(
    server: Scheduler,
    host: FakeHost,
    pocket_model: Path,
    mus: dict[str, dict[int, float]],
    version: int,
) -> None:
    # It is surprised less than it wants to be, so that it moves far from where it began.
    rules = Sampling(mirostat=version, mirostat_tau=3, mirostat_eta=0.1, temperature=0.2, seed=5)
    whole = await collect(server.run(completion("whole", pocket_model, sampling=rules)))
    asked = completion("killed", pocket_model, sampling=rules)
    deltas = await killed_at(server, host, asked, *KILLS)
    assert len(host.loads) == 1 + len(KILLS)
    tokens, expected = told(deltas)[0], told(whole)[0]
    assert tokens[:LAST] == expected[:LAST]
    begin = 2 * rules.mirostat_tau
    for count in range(1, LAST):
        assert mus["killed"][count] == pytest.approx(mus["whole"][count], abs=ROUNDING)
    assert abs(mus["whole"][KILLS[0]] - begin) > 2 * ROUNDING
    assert not any(isinstance(delta, SamplerDelta) for delta in deltas)


@pytest.mark.slow
async def test_each_choice_has_its_own_mirostat(
    server: Scheduler, host: FakeHost, pocket_model: Path
) -> None:
    rules = Sampling(mirostat=2, temperature=1.0, seed=5)
    asked = completion("choices", pocket_model, sampling=rules, choices=3, prompt=SURE[1])
    deltas = await killed_at(server, host, asked, 20)
    assert len(host.loads) == 2
    for choice in range(3):
        assert len(told(deltas, choice)[0]) == asked.limits.max_tokens


@pytest.mark.slow
async def test_what_is_held_back_is_drawn_again_with_the_state_before_it(
    server: Scheduler, host: FakeHost, pocket_model: Path, mus: dict[str, dict[int, float]]
) -> None:
    rules = Sampling(mirostat=2, mirostat_tau=3, temperature=0.2, seed=5)
    job = completion("whole", pocket_model, sampling=rules)
    whole = await collect(server.run(job))
    text = "".join(delta.text for delta in whole if isinstance(delta, TextDelta))
    stops = tuple(text[at : at + 12] + "~" for at in range(0, len(text) - 12, 6))[:64]
    limits = Limits(max_tokens=job.limits.max_tokens, ignore_eos=True, stop=stops)
    asked = completion("killed", pocket_model, sampling=rules, limits=limits)
    deltas = await killed_at(server, host, asked, *KILLS)
    assert told(deltas)[0][:LAST] == told(whole)[0][:LAST]
    seen = mus["killed"].keys() & set(range(LAST))
    # Much is held back, so not each token has been told by itself.
    assert 5 < len(seen) < LAST - 1
    for count in seen:
        assert mus["killed"][count] == pytest.approx(mus["whole"][count], abs=ROUNDING)


@pytest.mark.slow
async def test_the_coin_of_xtc_falls_as_it_would_have_fallen(
    server: Scheduler, host: FakeHost, pocket_model: Path
) -> None:
    # One of two tokens is always the likelier by far, and both always reach the threshold.
    likelier, other = 300, 301
    rules = Sampling(
        temperature=0,
        top_k=0,
        top_p=1,
        min_p=0,
        xtc_probability=0.5,
        xtc_threshold=1e-30,
        allowed_tokens=(likelier, other),
        logit_bias={likelier: 40.0},
        seed=5,
    )
    asked = completion("killed", pocket_model, sampling=rules)
    deltas = await killed_at(server, host, asked, *KILLS)
    assert len(host.loads) == 1 + len(KILLS)
    coins = [uniform(5, place, "exclude_top_choices") for place in range(len(told(deltas)[0]))]
    assert told(deltas)[0] == [other if coin <= 0.5 else likelier for coin in coins]
