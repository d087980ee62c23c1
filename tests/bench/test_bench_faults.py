"""What `puna bench` makes of a server that speaks OpenAI's API, well or badly."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.bench.fake_openai import TEMPLATE_TOKENS, FakeOpenAI, serving

from puna.bench.arrivals import Clients, Load, Rate
from puna.bench.asking import Ask, Kind, Message
from puna.bench.dialect import Manner
from puna.bench.lengths import read_lengths
from puna.bench.openai import OpenAI
from puna.bench.playing import Limit
from puna.bench.report import Report
from puna.bench.server import Server, read_address
from puna.bench.sweep import Nobody, Plan, Target, run
from puna.bench.wire import Wires
from puna.bench.workloads import Work, Workload
from puna.errors import Unreachable


@pytest.fixture
async def served() -> AsyncGenerator[tuple[FakeOpenAI, str]]:
    async with serving() as served:
        yield served


def plan(
    address: str,
    model: str = "good",
    load: Load = Clients(1),  # noqa: B008 - it cannot be changed
    workload: Workload = "single",
    prompt: str = "20",
    **more: Any,
) -> Plan:
    target = Target(read_address(address), "auto", Manner(model, 0.8, **more.pop("manner", {})))
    work = Work(workload, read_lengths(prompt), read_lengths("6"), more.pop("turns", 1))
    return Plan((target,), work, (load,), **{"limit": Limit(8), "warmup": 0, **more})


async def measured(made: Plan) -> Report:
    return await run(made, Nobody())


async def answered(address: str, model: str, kind: Kind = "chat", patience: float = 60) -> Any:
    wires = Wires(read_address(address), None, patience)
    server = Server(wires, OpenAI(), Manner(model, 0))
    answer = await server.ask(Ask(kind, (Message("user", "a b c"),), 6))
    server.close()
    return answer


@pytest.mark.parametrize(
    ("model", "fault", "error", "pieces"),
    [
        ("good", None, "", 6),
        ("alone", None, "", 1),
        ("dies", "broken", "The connection was closed in mid-answer.", None),
        ("tells", "told", "out of cells", 2),
        ("overcounts", "miscounted", "7 tokens were counted, and 6 asked for.", 6),
        ("undercounts", "miscounted", "5 tokens were counted, and 6 pieces came.", 6),
        ("uncounted", "miscounted", "The server did not count the prompt's tokens.", 6),
        ("endless", "broken", "The stream ended before it was done.", 6),
        ("page", "broken", "The stream ended before it was done.", 0),
        ("refuses", "refused", "404: there is no such model", 0),
    ],
)
async def test_each_way_to_fail_has_its_name(
    served: tuple[FakeOpenAI, str], model: str, fault: str | None, error: str, pieces: int | None
) -> None:
    answer = await answered(served[1], model)
    assert (answer.fault, answer.told.error) == (fault, error)
    if pieces is not None:
        assert len(answer.told.pieces) == pieces


async def test_who_does_not_answer_is_not_waited_for_longer_than_was_said(
    served: tuple[FakeOpenAI, str],
) -> None:
    answer = await answered(served[1], "silent", patience=0.2)
    assert (answer.fault, answer.told.error) == ("timeout", "No answer within 0.2 s.")


async def test_where_nobody_listens_that_is_told() -> None:
    answer = await answered("127.0.0.1:1", "good")
    assert answer.fault == "unreachable"
    assert answer.told.error.startswith("No server answers at http://127.0.0.1:1: ")


@pytest.mark.parametrize("kind", ["chat", "complete"])
async def test_pieces_are_timed_as_they_come(served: tuple[FakeOpenAI, str], kind: Kind) -> None:
    answer = await answered(served[1], "good", kind)
    assert answer.told.text == "w0 w1 w2 w3 w4 w5 "
    times = [answer.due, *answer.told.pieces, answer.ended]
    assert times == sorted(times)
    assert times[-1] <= time.perf_counter()


async def test_prompts_have_the_tokens_that_the_server_counts(
    served: tuple[FakeOpenAI, str],
) -> None:
    for workload in ("single", "complete", "shared-prefix", "echo", "embed"):
        report = await measured(plan(served[1], workload=workload, prompt="31"))
        found = report.stages[0].measured[0].all
        assert found.failed == {}
        assert found.prompt_length is not None
        assert (found.prompt_length.p50, found.prompt_length.p99) == (31, 31), workload


async def test_as_many_ask_at_once_as_there_are_clients(served: tuple[FakeOpenAI, str]) -> None:
    fake, address = served
    report = await measured(plan(address, load=Clients(5), limit=Limit(40)))
    assert report.stages[0].measured[0].all.requests == 40
    assert fake.most_running == 5
    assert fake.connections <= 6


async def test_a_chat_grows_by_what_was_said(served: tuple[FakeOpenAI, str]) -> None:
    fake, address = served
    report = await measured(plan(address, workload="chat", limit=Limit(6), turns=3))
    last = fake.asked[-1]["messages"]
    assert [one["role"] for one in last] == ["user", "assistant"] * 2 + ["user"]
    assert last[1]["content"] == "w0 w1 w2 w3 w4 w5 "
    found = report.stages[0].measured[0].all
    assert found.prompt_length is not None
    assert found.requests == 6
    # Three turns of the user's, two answers, and the template around each.
    assert found.prompt_length.p99 == pytest.approx(3 * 20 + 2 * (6 + TEMPLATE_TOKENS), rel=0.05)


async def test_a_rate_does_not_wait_for_answers(served: tuple[FakeOpenAI, str]) -> None:
    address = served[1]
    made = plan(address, load=Rate(200), limit=Limit(seconds=0.5))
    report = await measured(made)
    found = report.stages[0].measured[0].all
    again = await measured(made)
    assert found.requests == again.stages[0].measured[0].all.requests
    assert 60 < found.requests < 140
    assert report.stages[0].rate == 200


async def test_who_is_held_up_asks_for_all_that_was_due_meanwhile(
    served: tuple[FakeOpenAI, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, address = served
    made = plan(address, load=Rate(200), limit=Limit(seconds=0.5))
    undisturbed = (await measured(made)).stages[0].measured[0].all.requests
    answer, before = fake._answer, len(fake.asked)

    async def stand_still(*asked: Any) -> bool:
        # Behind those that tell how long the words are.
        if len(fake.asked) == before + 6:
            stand_still_for(0.6)
        return await answer(*asked)

    monkeypatch.setattr(fake, "_answer", stand_still)
    report = await measured(made)
    assert report.stages[0].measured[0].all.requests == undisturbed


def stand_still_for(seconds: float) -> None:
    """The whole process, with all who ask and all who answer."""
    time.sleep(seconds)


async def test_a_server_that_fails_from_then_on_is_given_up(
    served: tuple[FakeOpenAI, str],
) -> None:
    # Three requests tell how long the words are.
    report = await measured(plan(served[1], model="late:13", limit=Limit(500)))
    found = report.stages[0].measured[0]
    assert (found.all.failed, found.all.gave_up) == ({"refused": 8}, True)
    assert found.all.requests == 18
    assert found.errors == ["refused: 404: there is no such model"]
    assert not report.all_failed


async def test_a_model_that_is_not_there_ends_the_run_at_once(
    served: tuple[FakeOpenAI, str],
) -> None:
    with pytest.raises(Unreachable, match="404: there is no such model"):
        await measured(plan(served[1], model="refuses"))


async def test_the_key_and_what_is_added_reach_the_server(served: tuple[FakeOpenAI, str]) -> None:
    fake, address = served
    manner = {"extra": {"stream_options": {"more": 1}, "top_k": 3}, "ignore_eos": False}
    made = plan(address, manner=manner, limit=Limit(1))
    target = Target(made.targets[0].address, "auto", made.targets[0].manner, "sesame")
    await measured(Plan((target,), made.work, made.loads, made.limit))
    assert fake.keys == {"bearer sesame"}
    body = fake.asked[-1]
    assert body["stream_options"] == {"include_usage": True, "more": 1}
    assert (body["top_k"], body["max_tokens"], "ignore_eos" in body) == (3, 6, False)


async def test_two_servers_take_turns_and_are_compared_pair_by_pair() -> None:
    async with serving() as (one, here), serving() as (other, there):
        both = tuple(plan(url).targets[0] for url in (here, there))
        alone = plan(here)
        report = await measured(
            Plan(both, alone.work, (Clients(1), Clients(2)), Limit(4), rounds=3, warmup=1)
        )
        lengths = [[body["max_tokens"] for body in fake.asked] for fake in (one, other)]
    assert lengths[0] == lengths[1]
    texts = [{body["messages"][0]["content"] for body in fake.asked[3:]} for fake in (one, other)]
    assert not texts[0] & texts[1]
    assert [stage.clients for stage in report.stages] == [1, 2]
    for stage in report.stages:
        (found,) = stage.comparisons
        assert {"output_rate", "first", "whole"} <= set(found.ratios)
        ours, theirs = (one.rounds for one in stage.measured)
        assert len(ours) == len(theirs) == 3
        assert found.ratios["output_rate"].pairs == [
            a.output_rate / b.output_rate for a, b in zip(ours, theirs, strict=True)
        ]


async def test_a_run_that_is_cancelled_hangs_up(served: tuple[FakeOpenAI, str]) -> None:
    fake, address = served
    task = asyncio.create_task(measured(plan(address, model="silent")))
    await fake.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fake.left.wait()
