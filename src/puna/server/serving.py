"""Serves the application until told to stop, and lets running jobs finish."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn
from starlette.datastructures import State

from puna.builds.choosing import Choice, suggestion
from puna.builds.shelf import Shelf
from puna.configuration import Configuration
from puna.errors import PunaError
from puna.hosts.host import Host
from puna.server.app import create_app
from puna.server.connection import Connection
from puna.server.home import held
from puna.server.listening import listen
from puna.server.logs import logging_to, set_level
from puna.server.notifying import tell_ending, tell_ready
from puna.settings import Settings

_log = structlog.get_logger("puna.server")


# So long errors may take to reach those whose jobs were cut off.
FAREWELL_SECONDS = 2.0
# And so long the server may take to end behind the grace, its runners included.
ENDING_SECONDS = 30.0


class Server(uvicorn.Server):
    """Heeds signals: the first asks it to end, a second to end at once, a hang-up to read anew.

    Of the application's state, `close` ends all jobs and their runners within so many seconds, and
    `engine` is what runners run on.
    """

    def __init__(self, config: uvicorn.Config, configuration: Configuration, state: State) -> None:
        super().__init__(config)
        self._configuration = configuration
        self._close: Callable[[float], Coroutine[Any, Any, None]] = state.close
        self._engine: Choice = state.engine
        self._closing: list[asyncio.Task[None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so: who has been told may ask, and may send signals."""
        await super().startup(sockets)
        if self.started and sockets:
            address = _address(sockets[0])
            print(f"Puna listens on {address}", flush=True)
            tell_ready(address)
            _tell_engine(self._configuration.settings, self._engine)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Heed signals in this block, on the loop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        loop.add_signal_handler(signal.SIGINT, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reread)
        yield

    def _end(self) -> None:
        grace = self._configuration.settings.grace
        if self.should_exit:
            _log.warning("the server ends at once")
            self.force_exit = True
            grace = 0.0
        else:
            _log.info("the server ends", grace=grace)
            # Uvicorn asks for whole seconds, and takes any.
            self.config.timeout_graceful_shutdown = grace + FAREWELL_SECONDS  # pyright: ignore[reportAttributeAccessIssue]
            self.should_exit = True
        tell_ending(grace + ENDING_SECONDS)
        self._closing.append(asyncio.get_running_loop().create_task(self._close(grace)))

    def _reread(self) -> None:
        try:
            waiting = self._configuration.renew()
        except PunaError as error:
            _log.error("the settings were not read again", error=str(error))
            return
        _log.info("the settings were read again", at_restart=waiting)


def _tell_engine(settings: Settings, engine: Choice) -> None:
    """Say once why the default does not run, or that a faster one could be had."""
    if engine.refused:
        _log.warning(engine.refused)
    hint = suggestion(Shelf(settings.home), engine)
    if hint and sys.stdout.isatty():
        # For the person who has just started it, not a line among those of a log.
        print(hint, flush=True)
    elif hint:
        _log.info(hint)


def serve(configuration: Configuration, runners_on: Host | None = None) -> None:
    """Serve until a signal comes."""
    settings = configuration.settings
    with (
        listen(settings) as listener,
        held(settings.home) as home,
        logging_to(home / "logs", settings),
    ):
        for warning in configuration.warnings:
            _log.warning(warning)
        configuration.hearers.append(set_level)
        app = create_app(configuration, runners_on)
        server = Server(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=Connection,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
            ),
            configuration,
            app.state,
        )
        # What there is by now stays, and need not be looked through any more.
        gc.freeze()
        gc.enable()
        server.run(sockets=[listener])
        _log.info("the server has ended")


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
