"""The runner's side of the protocol: one connection to the server, one model, five states."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, assert_never

from puna.engine.libllama import Library
from puna.engine.opening import Opened, opened
from puna.engine.origin import Origin, verified
from puna.engine.outbox import Outbox
from puna.errors import BadRequest, ErrorReport, PunaError
from puna.protocol import (
    Beat,
    Busyness,
    Cancel,
    Detokenize,
    Facts,
    JobFailed,
    Load,
    LogLine,
    Moved,
    Pause,
    Paused,
    State,
    Submit,
    Tokenize,
    Tokens,
    Unload,
    read_to_runner,
)

if TYPE_CHECKING:
    from puna.engine.loaded import Loaded
    from puna.engine.sequence import Output
    from puna.engine.work import Work

BEAT_SECONDS = 1.0


def serve(socket: str, find_library: Callable[[], Origin]) -> None:
    """Call the server on this socket and serve it until one of the two ends."""

    async def call() -> None:
        reader, writer = await asyncio.open_unix_connection(socket)
        await Service(reader, writer, find_library).run()

    asyncio.run(call())


class Service:
    """Serves the one server that this runner belongs to.

    `find_library` waits for the engine's library to be found and verified.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        find_library: Callable[[], Origin] = verified,
    ) -> None:
        self._reader = reader
        self._writer = writer
        # A socket of its own: what is not the loop's alone is none of its transport's.
        self._outbox = Outbox(writer.get_extra_info("socket").dup())
        self._send = self._outbox.send
        self._find_library = find_library
        self._loop = asyncio.get_running_loop()
        self._state: State = "idle"
        self._loaded: Loaded | None = None
        self._work: Work | None = None

    async def run(self) -> None:
        """Serve until the server says goodbye, or is gone."""
        self._send(Moved("idle"))
        async with asyncio.TaskGroup() as tasks:
            beats = tasks.create_task(self._beat())
            while True:
                message = await read_to_runner(self._reader)
                if message is None or isinstance(message, Unload):
                    break
                self._handle(message, tasks)
            beats.cancel()
            await self._leave()

    def _handle(
        self,
        message: Load | Submit | Cancel | Pause | Tokenize | Detokenize,
        tasks: asyncio.TaskGroup,
    ) -> None:
        if isinstance(message, Load):
            tasks.create_task(self._load(message))
            return
        if self._work is None:
            self._refuse(message)
            return
        match message:
            case Submit():
                self._work.submit(message, tasks)
            case Cancel():
                self._work.cancel(message)
            case Pause():
                self._work.pause(message)
            case Tokenize():
                tasks.create_task(self._work.tokenize(message))
            case Detokenize():
                tasks.create_task(self._work.detokenize(message))
            case _:
                assert_never(message)

    def _refuse(self, message: Submit | Cancel | Pause | Tokenize | Detokenize) -> None:
        error = BadRequest("No model is loaded.").report()
        match message:
            case Submit():
                self._send(JobFailed(message.job.id, error))
            case Tokenize() | Detokenize():
                self._send(Tokens(message.id, "", (), error=error))
            case Pause():
                self._send(Paused(message.job, None))
            case Cancel():
                pass
            case _:
                assert_never(message)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self._send(Beat(self._loaded.busyness if self._loaded else Busyness()))

    # States

    def _move(
        self,
        state: State,
        detail: str = "",
        facts: Facts | None = None,
        error: ErrorReport | None = None,
    ) -> None:
        self._state = state
        self._send(Moved(state, detail, facts, error))

    def _settle(self) -> None:
        """Ready or busy, by whether there are jobs."""
        state: State = "busy" if self._work is not None and self._work.busy else "ready"
        if self._state in ("ready", "busy") and self._state != state:
            self._move(state)

    async def _load(self, load: Load) -> None:
        self._move("loading")
        try:
            opening = self._loop.run_in_executor(None, self._open, load)
            # Imported while the library is at work, which it is for as long as that takes.
            from puna.engine.loaded import Loaded
            from puna.engine.work import Work

            self._loaded = await asyncio.to_thread(
                Loaded, await opening, load, self._emit, self._fail, self._ahead
            )
        except PunaError as error:
            self._move("failed", str(error), error=error.report())
        else:
            self._work = Work(self._loaded, self._send, self._settle_soon)
            self._move("ready", facts=self._loaded.facts)

    def _open(self, load: Load) -> Opened:
        return opened(Library(self._find_library(), self._log), load)

    async def _leave(self) -> None:
        if self._work is not None:
            self._move("unloading")
            self._work.close()
        if self._loaded is not None:
            await asyncio.to_thread(self._loaded.close)
            self._move("idle")
        await self._outbox.close()
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    # From other threads

    def _settle_soon(self) -> None:
        self._loop.call_soon_threadsafe(self._settle)

    def _emit(self, outputs: "list[Output]") -> None:
        if self._work is not None:
            self._work.take(outputs)

    def _ahead(self, seconds: float) -> None:
        if self._work is not None:
            self._work.ahead(seconds)

    def _fail(self, error: PunaError) -> None:
        self._loop.call_soon_threadsafe(
            lambda: self._move("failed", str(error), error=error.report())
        )

    def _log(self, level: str, line: str) -> None:
        # The library may have last words when nobody is there to be told.
        self._send(LogLine(level, line))
