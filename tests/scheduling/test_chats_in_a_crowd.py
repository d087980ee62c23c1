"""Two hundred chats at once, on one real runner."""

import asyncio
from pathlib import Path

import pytest
from tests.scheduling.fakes import FakeHost, collect, joined, scheduler

from puna.deltas import DoneDelta
from puna.jobs import ChatJob, Limits, Owner, Sampling, message
from puna.records import JobRecord
from puna.runners.runner import COMMAND

CHATS = 200
SEATS = 16
SYLLABLES = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu")


def canary(number: int) -> str:
    """A word that no other chat's prompt has in it."""
    return "".join(SYLLABLES[int(digit)] for digit in f"{number:03d}").capitalize()


def chat(number: int, model: Path, id: str = "") -> ChatJob:
    return ChatJob(
        id or f"{number}",
        str(model),
        (
            message("system", f"Your name is {canary(number)}."),
            message("user", "What is your name?"),
        ),
        # Two principals, of which one asks three times as much as the other.
        owner=Owner("few" if number % 4 == 0 else "many"),
        sampling=Sampling(temperature=0, seed=number),
        limits=Limits(max_tokens=24),
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_two_hundred_chats_at_once_all_finish_each_with_its_own_words(
    pocket_model: Path,
) -> None:
    host = FakeHost(command=COMMAND)
    async with scheduler(host, threads=1, context=512, sequences=SEATS, batch=256) as server:
        alone = [
            joined(await collect(server.run(chat(number, pocket_model, f"alone {number}"))))
            for number in range(0, CHATS, 2)
        ]

        async def ask(number: int) -> str:
            deltas = await collect(server.run(chat(number, pocket_model)))
            assert isinstance(deltas[-1], DoneDelta)
            return joined(deltas)

        answers = await asyncio.gather(*(ask(number) for number in range(CHATS)))
        check_waits([one for one in server.jobs() if one.id.isdecimal()])
        assert len(host.loads) == 1
    for number, answer in enumerate(answers):
        others = [canary(other) for other in range(CHATS) if other != number]
        assert answer
        assert not any(other in answer for other in others), (number, answer)
    # The model does say its name, or nothing could have been seen of a leak.
    assert sum(canary(number) in answer for number, answer in enumerate(answers)) >= CHATS // 2
    same = sum(one == answers[2 * at] for at, one in enumerate(alone))
    assert same >= 0.95 * len(alone)


def check_waits(jobs: list[JobRecord]) -> None:
    """Nobody waits for longer than for those who are before it in a fair order.

    Of one principal none is overtaken. Of two, each has half of the runner while both want it, so
    whoever asks for less has been served when the other has had as much.
    """
    served = sorted(jobs, key=lambda one: one.started or 0.0)
    assert len(served) == CHATS
    for principal in ("few", "many"):
        arrivals = [one.arrived for one in served if one.principal == principal]
        assert arrivals == sorted(arrivals)
    last_of_few = max(place for place, one in enumerate(served) if one.principal == "few")
    assert last_of_few <= CHATS // 2 + SEATS
