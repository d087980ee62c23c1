"""What Puna costs around the engine, through the real server with the built-in model.

Usage: python benchmarks/server.py

CPU for each token in the server and in the runner, the time that the server adds to the first
byte, and how soon a runner is ready. What the server alone costs, without arithmetic beside it,
`relay.py` tells.
"""

import asyncio
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil
from findings import Finding, median, table
from spent import seconds
from started import started

from puna.jobs import ChatJob, Limits, Message, Owner, Sampling, TextPart
from puna.models.builtin_model import FILE as BUILTIN
from puna.protocol import Load, Placement
from puna.runners.runner import Runner

STREAMS, REQUESTS, TOKENS, ROUNDS = 16, 48, 400, 5
FIRSTS, STARTS = 200, 9
QUESTION = "What do llamas eat?"
# Has three times as long an answer, in which what the requests cost hides less of what tokens do.
STORY = "Tell me a long story about a llama."


@contextmanager
def server() -> Iterator[tuple[str, psutil.Process]]:
    """A server, by its address and its process."""
    with tempfile.TemporaryDirectory(prefix="puna-home-") as home:
        environment = {**os.environ, "PUNA_HOME": home, "PUNA_SEQUENCES": str(STREAMS)}
        with started(environment=environment) as (address, process):
            yield address, psutil.Process(process.pid)


async def chat(address: str, tokens: int, seed: int, question: str = QUESTION) -> tuple[float, int]:
    """Ask for so many tokens; the seconds to the first byte, and how many tokens came."""
    url = urlsplit(f"//{address}")
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    options = {"num_predict": tokens, "seed": seed}
    messages = [{"role": "user", "content": question}]
    body = json.dumps({"model": "cria", "messages": messages, "options": options})
    head = f"POST /api/chat HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(body)}\r\n"
    began = time.perf_counter()
    writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
    first = await reader.read(1)
    took = time.perf_counter() - began
    answer = first + await reader.read()
    writer.close()
    count = re.search(rb'"eval_count":(\d+)', answer)
    assert count is not None, answer
    return took, int(count[1])


async def spent(
    address: str, process: psutil.Process, runner: psutil.Process, tokens: int, seed: int
) -> tuple[int, list[float]]:
    """How many tokens many streams brought, and the CPU of server and runner."""
    before = seconds(process), seconds(runner)
    seeds = range(seed * 1000, seed * 1000 + REQUESTS)
    answers = await asyncio.gather(*(chat(address, tokens, one, STORY) for one in seeds))
    after = seconds(process), seconds(runner)
    used = [end - start for start, end in zip(before, after, strict=True)]
    return sum(count for _, count in answers), used


async def costs(address: str, process: psutil.Process) -> list[Finding]:
    """Microseconds of CPU for each token beyond a request's first, and what a request takes."""
    await chat(address, 8, 0)
    (runner,) = process.children()
    asked, each = list[list[float]](), list[list[float]]()
    for round in range(ROUNDS):
        firsts, fixed = await spent(address, process, runner, 1, round)
        tokens, used = await spent(address, process, runner, TOKENS, round)
        asked.append([one / REQUESTS * 1e6 for one in fixed])
        each.append(
            [(one - less) / (tokens - firsts) * 1e6 for one, less in zip(used, fixed, strict=True)]
        )
    server, whole = zip(*each, strict=True)
    requests = [one[0] for one in asked]
    return [
        median(f"CPU a token in the server, {STREAMS} at once", server, "µs", 20),
        median("CPU a token in the runner, arithmetic included", whole, "µs"),
        median("CPU a request in the server, its first token included", requests, "µs"),
    ]


def job(seed: int) -> ChatJob:
    """The same chat as over HTTP."""
    return ChatJob(
        id=f"first-{seed}",
        model="cria",
        owner=Owner(),
        messages=(Message("user", (TextPart(QUESTION),)),),
        sampling=Sampling(seed=seed),
        limits=Limits(max_tokens=1),
    )


async def direct(runner: Runner, seed: int) -> float:
    """The seconds from putting a job to a runner until something of its answer is there."""
    began = time.perf_counter()
    stream = runner.submit(job(seed))
    seconds = 0.0
    async for batch in stream:
        if not seconds and any(hasattr(delta, "text") for delta in batch):
            seconds = time.perf_counter() - began
    return seconds or time.perf_counter() - began


async def ready() -> tuple[Runner, float]:
    """A runner with the built-in model, and the seconds from its start until it was ready."""
    began = time.perf_counter()
    runner = await Runner.start(lambda _: None)
    # As long as the model was trained for, each: what a host gives it.
    placement = Placement(context=2048, sequences=STREAMS)
    await runner.load(Load(weights=(str(BUILTIN),), placement=placement))
    return runner, time.perf_counter() - began


async def first_bytes(address: str) -> list[Finding]:
    """The first byte over HTTP and straight from a runner, in turns."""
    runner, _ = await ready()
    for seed in range(20):
        await chat(address, 1, seed)
        await direct(runner, seed)
    over_http, straight = list[float](), list[float]()
    for seed in range(FIRSTS):
        over_http.append((await chat(address, 1, seed))[0] * 1000)
        straight.append(await direct(runner, seed) * 1000)
    await runner.unload()
    added = statistics.median(over_http) - statistics.median(straight)
    differences = [a - b for a, b in zip(over_http, straight, strict=True)]
    return [
        median("first byte over HTTP", over_http, "ms"),
        median("first delta straight from a runner", straight, "ms"),
        median("first byte, what the server adds", differences, "ms", 2),
        Finding("first byte, difference of the medians", added, "ms", added, added),
    ]


async def starts() -> Finding:
    seconds = list[float]()
    for _ in range(STARTS):
        runner, took = await ready()
        seconds.append(took)
        await runner.unload()
    return median("a runner with the built-in model, start to ready", seconds, "s", 0.4)


def measure() -> list[Finding]:
    with server() as (address, process):
        found = asyncio.run(costs(address, process))
        found += asyncio.run(first_bytes(address))
    return [*found, asyncio.run(starts())]


if __name__ == "__main__":
    print(table(measure()))
