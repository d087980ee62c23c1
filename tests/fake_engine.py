"""A fake engine: a process that speaks a runner's half of the protocol without any model.

What it does is told by the weights' name at loading, and by the first word of a chat's last
message afterwards: `echo`, `flood N`, `pace N`, `hold N FILE`, `hang`, `die`, `choke`, `fail`,
`garble`, `env`. What is held says its last word only once there is this file.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from msgspec.structs import replace

from puna.deltas import DoneDelta, FinishDelta, PromptDelta, TextDelta, Usage, VectorsDelta
from puna.errors import EngineFailed, LoadFailed, MissingCapability
from puna.jobs import ChatJob, EmbedJob, Job
from puna.protocol import (
    Beat,
    Busyness,
    Cancel,
    Detokenize,
    Emitted,
    Facts,
    Frame,
    JobFailed,
    Load,
    Moved,
    Pause,
    Paused,
    Resume,
    Submit,
    Tokenize,
    Tokens,
    ToServer,
    Unload,
    pack,
    read_to_runner,
)

FACTS = Facts("fake", "A fake", 1, 1, 65_536, 4096, 4, 256, 1, ("completion",))
# What `pace` waits between two tokens.
PACE_SECONDS = 0.005
BEAT_SECONDS = 0.1


def is_there(file: str) -> bool:
    return Path(file).exists()


class FakeEngine:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.jobs: dict[str, asyncio.Task[None]] = {}
        self.emitted: dict[str, int] = {}
        self.cancelled = 0
        self.steps = 0

    def say(self, message: ToServer) -> None:
        self.writer.write(pack(message))

    def load(self, load: Load) -> None:
        self.say(Moved("loading"))
        match load.weights[0]:
            case "broken":
                self.say(Moved("failed", error=LoadFailed("The file is broken.").report()))
            case "dies":
                print("about to die", flush=True)
                os.abort()
            case "hangs":
                pass
            case "skips":
                self.say(Moved("busy"))
            case _:
                placement = load.placement
                facts = replace(
                    FACTS,
                    context=min(placement.context, FACTS.context_train),
                    sequences=placement.sequences,
                )
                self.say(Moved("ready", facts=facts))

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            running = sum(not task.done() for task in self.jobs.values())
            self.say(Beat(Busyness(running=running, steps=self.steps)))

    async def run(self, job: Job) -> None:
        if isinstance(job, EmbedJob):
            vectors = VectorsDelta(bytes(4 * len(job.inputs)), 1, (1,) * len(job.inputs))
            self.say(Frame([(job.id, [vectors, DoneDelta(Usage(len(job.inputs)))])]))
            return
        assert isinstance(job, ChatJob)
        word, _, rest = job.messages[-1].text.partition(" ")
        self.say(Frame([(job.id, [PromptDelta(len(rest.split()), 0)])]))
        start = self.emitted[job.id]
        words = rest.split()
        match word:
            case "echo":
                pieces = [f"{one} " for one in words]
            case "flood" | "pace" | "hold":
                pieces = [f"{number} " for number in range(int(words[0]))]
            case "env":
                pieces = [f"{name}\n" for name in sorted(os.environ)]
            case "cancelled":
                pieces = [str(self.cancelled)]
            case "die":
                self.say(Frame([(job.id, [TextDelta("last words")])]))
                await self.writer.drain()
                os.kill(os.getpid(), signal.SIGKILL)
                return
            case "choke":
                os.abort()
            case "fail":
                error = EngineFailed("The arithmetic went wrong.")
                if words:
                    self.say(Frame([(job.id, [TextDelta("so far")])]))
                self.say(JobFailed(job.id, error.report()))
                return
            case "garble":
                self.writer.write(b"\0\0\0\1\xc1")
                return
            case "hang":
                await asyncio.Event().wait()
                return
            case _:
                self.say(JobFailed(job.id, MissingCapability(f"No {word} here.").report()))
                return
        for number in range(start, len(pieces)):
            while word == "hold" and number == len(pieces) - 1 and not is_there(words[1]):
                self.steps += 1
                await asyncio.sleep(PACE_SECONDS)
            self.emitted[job.id] = number + 1
            self.steps += 1
            self.say(Frame([(job.id, [TextDelta(pieces[number], tokens=(number,))])]))
            await self.writer.drain()
            await asyncio.sleep(PACE_SECONDS if word in ("pace", "hold") else 0)
        usage = Usage(len(words), 0, len(pieces), output_seconds=0.5)
        self.say(Frame([(job.id, [FinishDelta("stop"), DoneDelta(usage)])]))

    def pause(self, job: str) -> None:
        task = self.jobs[job]
        if task.done():
            self.say(Paused(job, None))
            return
        task.cancel()
        emitted = tuple(range(self.emitted[job]))
        self.say(Paused(job, Resume((), (Emitted(0, emitted, 0),))))

    def take(self, message: object) -> None:
        match message:
            case Load():
                self.load(message)
            case Submit():
                before = message.resume.emitted if message.resume else ()
                self.emitted[message.job.id] = len(before[0].tokens) if before else 0
                self.jobs[message.job.id] = asyncio.create_task(self.run(message.job))
            case Cancel():
                self.cancelled += 1
                if message.job in self.jobs:
                    self.jobs[message.job].cancel()
            case Pause():
                self.pause(message.job)
            case Tokenize():
                tokens = tuple(message.text.encode())
                self.say(Tokens(message.id, message.text, tokens))
            case Detokenize():
                self.say(Tokens(message.id, bytes(message.tokens).decode(), message.tokens))
            case _:
                raise AssertionError(message)


async def main(path: str) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    engine = FakeEngine(writer)
    engine.say(Moved("idle"))
    beat = asyncio.create_task(engine.beat())
    while (message := await read_to_runner(reader)) is not None:
        if isinstance(message, Unload):
            engine.say(Moved("unloading"))
            engine.say(Moved("idle"))
            await writer.drain()
            break
        engine.take(message)
    beat.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    print("the fake starts", file=sys.stderr, flush=True)
    asyncio.run(main(parser.parse_args().socket))
