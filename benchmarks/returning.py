"""People who come back to their conversations, several at once: Puna against llama.cpp's server.

Usage: python benchmarks/returning.py [ROUNDS]

What is kept of each conversation lies wherever it came to lie, so those who happen to ask together
do not lie side by side. Each round some of the people, drawn by lot, say a little more and get an
answer; the servers are measured in turns while the others are stopped, on the same library. The
first rounds, in which most are new, do not count. It takes about five minutes on two cores.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import make_model
import peer
import servers
from asking import ask, lines
from figures import Figures
from findings import Finding, table
from newcomers import warmed

PEOPLE, AT_ONCE, ROUNDS, FIRST_ROUNDS = 14, (4, 8), 6, 3
SAID, SAID_FIRST, ANSWERED = 12, 60, 64
# After so many turns a conversation begins anew: what is answered may be long if it is read again.
TURNS = 5
PLACES = 16
TALK = list[dict[str, str]]
# What could be the peer's best.
POOLS = ("-kvu", "-no-kvu")


class People:
    """Those who talk to one server."""

    def __init__(self, server: servers.Server) -> None:
        self.server = server
        self.talks: dict[int, TALK] = {}

    def say(self, one: int, turn: int) -> TALK:
        """What somebody has said and heard, and what they say now."""
        before = self.talks.get(one, [])
        if len(before) == 2 * TURNS:
            before = []
        length = SAID if before else SAID_FIRST
        said = {"role": "user", "content": servers.prompt(f"{one} {turn}", length)}
        self.talks[one] = [*before, said]
        return self.talks[one]

    async def ask(self, who: list[int], turn: int) -> float:
        """All of these speak at once; the tokens a second that they get."""
        server, began = self.server, time.perf_counter()
        asked = {
            one: await ask(server.address, server.path, self._body(self.say(one, turn)))
            for one in who
        }
        async with asyncio.TaskGroup() as group:
            for each in asked.values():
                group.create_task(each.end())
        seconds = time.perf_counter() - began
        for one, each in asked.items():
            heard = "".join(text for _, line in lines(each.arrived) for text in _texts(line))
            self.talks[one] = [*self.talks[one], {"role": "assistant", "content": heard}]
        return sum(server.told(each).output_tokens for each in asked.values()) / seconds

    def _body(self, talk: TALK) -> bytes:
        return json.dumps({**self.server.body("", ANSWERED), "messages": talk}).encode()


def _texts(line: bytes) -> Iterator[str]:
    """The text in a line of either dialect."""
    data = line.removeprefix(b"data: ").strip()
    if data == b"[DONE]":
        return
    said: dict[str, Any] = json.loads(data)
    for message in (said.get("message"), *(one["delta"] for one in said.get("choices", ()))):
        if message:
            yield message.get("content") or message.get("reasoning_content") or ""


def measure(figures: Figures, rounds: int) -> Iterator[Finding]:
    """Puna against the peer with each of the ways in which it can hold its cache."""
    weights, (program, library) = make_model.model(), peer.build()
    room = f"{PLACES * servers.CONTEXT}"
    best = ("-np", f"{PLACES}", "-c", room, "-fa", "on", "--cache-ram", "0")
    with ExitStack() as stack:
        ours = servers.puna(weights, library, PLACES, PUNA_CONTEXT=f"{servers.CONTEXT}")
        started = [stack.enter_context(ours)]
        for pool in POOLS:
            name = f"llama-server {pool}"
            started.append(stack.enter_context(servers.peer(name, weights, program, *best, pool)))
        people = [People(warmed(server)) for server in started]
        for count in AT_ONCE:
            for turn in range(FIRST_ROUNDS + rounds):
                who = random.Random(f"{count} {turn}").sample(range(PEOPLE), count)
                for each in people[:: -1 if turn % 2 else 1]:
                    speed = warmed(each.server).awake(each.ask(who, turn))
                    if turn >= FIRST_ROUNDS:
                        figures.put(f"{count} who come back", each.server.name, turn, speed)
                    print(count, turn, each.server.name, round(speed, 1), flush=True)
    for count in AT_ONCE:
        what = f"{count} who come back"
        for server in started:
            yield from figures.found(what, server.name, "tokens/s", f"{what}: {server.name}")
        for server in started[1:]:
            yield from figures.against(what, "puna", server.name, None, "higher")


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print(table(measure(Figures(30.0), asked)))
