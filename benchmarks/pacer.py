"""An engine without arithmetic: each running job gets a token with every beat of a clock.

The prompt's first word is how many tokens, the setting `stretch` how many milliseconds a step.
"""

import argparse
import asyncio

from puna.deltas import Delta, DoneDelta, FinishDelta, PromptDelta, TextDelta, Usage
from puna.jobs import ChatJob
from puna.protocol import Cancel, Facts, Frame, Load, Moved, Submit, pack, read_to_runner

FACTS = Facts("pacer", "No arithmetic", 1, 1, 4096, 4096, 256, 256, 1, ("completion",))


class Pacer:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.seconds = 0.0
        # Each running job with how many tokens it has yet to get, and got in all.
        self.running: dict[str, tuple[int, int]] = {}

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(self.seconds)
            if self.running:
                self.writer.write(
                    pack(Frame([(job, self.token(job)) for job in list(self.running)]))
                )
                await self.writer.drain()

    def token(self, job: str) -> list[Delta]:
        left, count = self.running[job]
        if left == 0:
            del self.running[job]
            return [FinishDelta("stop"), DoneDelta(Usage(1, 0, count))]
        self.running[job] = left - 1, count
        return [TextDelta(" token", tokens=(7,))]

    def submit(self, job: ChatJob) -> None:
        count = int(job.messages[-1].text.split()[0])
        self.running[job.id] = count, count
        self.writer.write(pack(Frame([(job.id, [PromptDelta(1, 0), *self.token(job.id)])])))


async def main(path: str) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    pacer = Pacer(writer)
    writer.write(pack(Moved("idle")))
    async with asyncio.TaskGroup() as tasks:
        beats = tasks.create_task(asyncio.sleep(0))
        while (message := await read_to_runner(reader)) is not None:
            match message:
                case Load():
                    pacer.seconds = message.pace.stretch / 1000
                    beats = tasks.create_task(pacer.beat())
                    writer.write(pack(Moved("loading")))
                    writer.write(pack(Moved("ready", facts=FACTS)))
                case Submit(job=ChatJob() as job):
                    pacer.submit(job)
                case Cancel():
                    pacer.running.pop(message.job, None)
                case _:
                    break
        beats.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    asyncio.run(main(parser.parse_args().socket))
