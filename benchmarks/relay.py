"""What the server itself costs: CPU for each token, and time to the first byte.

Usage: python benchmarks/relay.py

The engine is one without arithmetic, so what is measured is everything between it and a client:
the socket, the scheduler, the dialect and HTTP. Each token comes alone, as from an engine whose
steps are slow. Beside it, in turns, a bare server tells what the system takes of that anyhow.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import bare
import psutil
from spent import seconds
from started import started

STEP_MILLISECONDS = 5.0
CLIENTS = (1, 16, 64)
TOKENS = {1: 1500, 16: 8000, 64: 16000}
ROUNDS = 5
PACER = (sys.executable, str(Path(__file__).with_name("pacer.py")))


def serve() -> None:
    """Be the server that is measured."""
    from puna.configuration import Configuration
    from puna.hosts.local import LocalHost
    from puna.server.journal import journal
    from puna.server.serving import serve

    with tempfile.TemporaryDirectory(prefix="puna-home-") as home:
        settings = {"home": home, "port": 0, "sequences": CLIENTS[-1]}
        configuration = Configuration(settings | {"stretch": STEP_MILLISECONDS})
        serve(configuration, LocalHost(journal, command=PACER))


@contextmanager
def server(which: str) -> Generator[tuple[str, psutil.Process]]:
    """A server, by its address and its process."""
    with started([sys.executable, __file__, which]) as (address, process):
        yield address, psutil.Process(process.pid)


async def chat(address: str, tokens: int) -> float:
    """Ask for so many tokens and read them all; the answer is the seconds to the first byte."""
    url = urlsplit(f"//{address}")
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    body = json.dumps({"model": "cria", "messages": [{"role": "user", "content": f"{tokens}"}]})
    head = f"POST /api/chat HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(body)}\r\n"
    start = time.perf_counter()
    writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
    first = await reader.read(1)
    took = time.perf_counter() - start
    answer = first + await reader.read()
    assert answer.count(b'" token"') == tokens
    writer.close()
    return took


async def cpu_for_each_token(address: str, process: psutil.Process, clients: int) -> float:
    """Seconds of the server's CPU for each token with so many clients at once."""
    tokens = TOKENS[clients] // clients
    before = seconds(process)
    await asyncio.gather(*(chat(address, tokens) for _ in range(clients)))
    return (seconds(process) - before) / (tokens * clients)


async def first_bytes(address: str) -> list[float]:
    """Seconds to the first byte, sorted."""
    for _ in range(20):
        await chat(address, 1)
    return sorted([await chat(address, 1) for _ in range(300)])


async def measure(servers: dict[str, tuple[str, psutil.Process]]) -> dict[str, float]:
    """Every figure: microseconds of CPU for each token, milliseconds to the first byte."""
    firsts = await first_bytes(servers["puna"][0])
    figures = {
        "first byte, median, ms": statistics.median(firsts) * 1e3,
        "first byte, p95, ms": firsts[int(len(firsts) * 0.95)] * 1e3,
    }
    for clients in CLIENTS:
        took: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(ROUNDS):
            for name, (address, process) in servers.items():
                took[name].append(await cpu_for_each_token(address, process, clients))
        for name, each in took.items():
            figures[f"CPU a token, {clients} clients, {name}, us"] = statistics.median(each) * 1e6
            figures[f"CPU a token, {clients} clients, {name}, least, us"] = min(each) * 1e6
    return figures


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["bare"]:
            bare.run(STEP_MILLISECONDS / 1000)
        case _:
            with server("serve") as puna, server("bare") as least:
                found = asyncio.run(measure({"puna": puna, "a bare server": least}))
                for name, figure in found.items():
                    print(f"{name:44} {figure:8.2f}")
